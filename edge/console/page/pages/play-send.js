// Publishes real events about an account, one or three at once.

import { html, useState } from "../html.js";
import { post } from "../api.js";
import { useWork } from "../parts/asked.js";
import { parsed } from "../parts/json.js";
import { Field, Panel } from "../parts/layout.js";
import { Failed } from "../parts/states.js";
import { TypeOptions } from "../parts/types.js";
import { linkTo } from "../router.js";
import { sample, typesOf } from "../samples.js";

const BURST = 3;
const FIRST = "member.plan.changed"; // all devices get it, at once
let sent = 0;

/** A form; what is sent is about `account`. */
export function Send({ account, topology }) {
  const types = typesOf(topology);
  const [type, setType] = useState(types.includes(FIRST) ? FIRST : types[0]);
  const [text, setText] = useState(() => JSON.stringify(sample(type)));
  const [edited, setEdited] = useState(false);
  const [work, send] = useWork(async (times) => {
    const given = parsed(text);
    const data = () => (edited ? given : sample(type, sent++));
    const bodies = Array.from({ length: times }, () => ({ account, type, data: data() }));
    return Promise.all(bodies.map((body) => post("/play/events", body)));
  });
  const choose = ({ currentTarget: { value } }) => {
    setType(value);
    setText(JSON.stringify(sample(value)));
    setEdited(false);
  };
  const write = ({ currentTarget: { value } }) => {
    setText(value);
    setEdited(true);
  };
  return html`<${Panel} title="Publish">
    <div class="form-row even">
      <${Field} name="send-type" label="Event type"><select id="send-type" value=${type} onChange=${choose}>
        <${TypeOptions} topology=${topology} /></select><//>
      <${Field} name="send-data" label="Data, as JSON"><textarea id="send-data" rows="2"
        spellcheck=${false}
        value=${text} onInput=${write}></textarea><//>
    </div>
    <div class="buttons">
      <button class="button primary" disabled=${work.busy || !account} onClick=${() => send(1)}>Publish</button>
      <button class="button" disabled=${work.busy || !account}
        onClick=${() => send(BURST)}>Publish ${BURST} at once</button>
      <span class="small second" role="status">${work.value && html`<${Said} placed=${work.value} />`}</span>
    </div>
    ${work.error && html`<${Failed} error=${work.error} />`}
  <//>`;
}

function Said({ placed }) {
  const { partition, offset } = placed.at(-1);
  return html`Published ${placed.length === 1 ? "" : `${placed.length}, the last `}at${" "}
    <a class="mono" href=${linkTo("event", [String(partition), String(offset)])}>${partition}:${offset}</a>`;
}
