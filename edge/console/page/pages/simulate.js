// A dry run: what would become of an event for this account if it came now. Nothing is written.

import { plural, readable } from "../format.js";
import { html, useState } from "../html.js";
import { post } from "../api.js";
import { useWork } from "../parts/asked.js";
import { parsed } from "../parts/json.js";
import { Field, Panel } from "../parts/layout.js";
import { Failed } from "../parts/states.js";
import { Outcome, Status } from "../parts/status.js";
import { TypeOptions } from "../parts/types.js";
import { sample, typesOf } from "../samples.js";
import { Gates, stagesOf } from "./timeline.js";

const AGES = [
  ["0", "now"], ["60", "1 min ago"], ["3600", "1 h ago"], ["7200", "2 h ago"], ["86400", "1 d ago"],
  ["604800", "7 d ago"],
];

/** A form, and what the dry run said. */
export function Simulate({ account, topology }) {
  const first = typesOf(topology)[0] ?? "";
  const [draft, setDraft] = useState({ type: first, data: JSON.stringify(sample(first)), ago: "0", devices: [] });
  const [work, run] = useWork(() => post(`/accounts/${encodeURIComponent(account)}/simulate`, bodyOf(draft)));
  const change = (name) => (event) => setDraft({ ...draft, [name]: event.currentTarget.value });
  const choose = ({ currentTarget: { value: type } }) => {
    setDraft({ ...draft, type, data: JSON.stringify(sample(type)) });
  };
  const toggle = (type) => setDraft({ ...draft, devices: draft.devices.includes(type)
    ? draft.devices.filter((each) => each !== type) : [...draft.devices, type] });
  const submit = (event) => {
    event.preventDefault();
    run();
  };
  return html`<${Panel} title="Simulate an event" end="A dry run on the state of now. Nothing is written.">
    <form class="form" onSubmit=${submit}>
      <div class="form-row">
        <${Field} name="simulate-type" label="Type"><select id="simulate-type" value=${draft.type} onChange=${choose}>
          <${TypeOptions} topology=${topology} /></select><//>
        <${Field} name="simulate-ago" label="Happened"><select id="simulate-ago" value=${draft.ago}
          onChange=${change("ago")}>
          ${AGES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select><//>
      </div>
      <${Field} name="simulate-data" label="Data, as JSON"><textarea id="simulate-data" rows="3" spellcheck=${false}
        value=${draft.data} onInput=${change("data")}></textarea><//>
      <fieldset><legend class="legend">Only for device types (none chosen: as the use case says)</legend>
        <div class="checks">${topology.device_types.map((type) => html`<label key=${type}><input type="checkbox"
          checked=${draft.devices.includes(type)} onChange=${() => toggle(type)} />${type}</label>`)}</div></fieldset>
      <div class="buttons"><button class="button primary" disabled=${work.busy}>
        ${work.busy ? "Running …" : "Dry run"}</button></div>
    </form>
    <div aria-live="polite" class="stack">
      ${work.error && html`<${Failed} error=${work.error} />`}
      ${work.value && html`<${Result} result=${work.value} />`}
    </div>
  <//>`;
}

function bodyOf({ type, data, ago, devices }) {
  const body = { type, data: parsed(data) };
  if (ago !== "0") body.time = new Date(Date.now() - Number(ago) * 1000).toISOString();
  if (devices.length) body.device_types = devices;
  return body;
}

function Result({ result }) {
  const gates = result.verdicts.map(({ verdict, why, ...gate }) => (
    { ...gate, passed: verdict === "passed", detail: why }));
  const refused = result.outcome && result.outcome.kind !== "stored";
  return html`
    <p>${refused ? html`It would end as <${Outcome} kind=${result.outcome.kind} pill=${true} />
      ${" "}${readable(result.outcome.why)}`
      : html`<${Status} tone="ok" pill=${true}>It would pass every gate<//>`}
      ${result.lane && html`${" "}<span class="tag">lane ${result.lane}</span>`}</p>
    <p class="hint">Judged against the last ${plural(result.judged_against, "event")} of the account.</p>
    ${stagesOf({ gates, steps: [] }).map((stage) => html`<div key=${stage.name}>
      <h3>${stage.name}</h3><${Gates} gates=${stage.gates} /></div>`)}
    ${result.devices.length > 0 && html`<div><h3>devices</h3><table class="gates"><tbody>
      ${result.devices.map((device) => html`
      <tr key=${device.id}><th scope="row">${device.id}</th><td><${Outcome} kind=${device.would} /></td>
        <td>${device.why}</td></tr>`)}</tbody></table></div>`}`;
}
