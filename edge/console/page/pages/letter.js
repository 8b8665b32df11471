// One dead letter: what it says, its bytes, and what may be done with it. Every action asks first.

import { html, useEffect, useRef, useState } from "../html.js";
import { post } from "../api.js";
import { bytes } from "../format.js";
import { useAsked, useWork } from "../parts/asked.js";
import { Confirm } from "../parts/dialog.js";
import { Facts, Panel } from "../parts/layout.js";
import { Asked } from "../parts/states.js";
import { Outcome } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { linkTo } from "../router.js";
import { Body } from "./raw.js";

/** `onDone` is called when something was done to it. */
export function Letter({ partition, offset, session, onDone, onClose }) {
  const path = `/dead-letters/${encodeURIComponent(partition)}/${encodeURIComponent(offset)}`;
  const asked = useAsked(path);
  const head = useRef(null);
  useEffect(() => head.current.focus(), []);
  const [question, setQuestion] = useState(null); // "replay" or "discard"
  const [said, setSaid] = useState("");
  const act = async () => {
    const { placed } = await post(`${path}/${question}`, { confirm: true });
    setSaid(question === "replay" ? `Published again at ${placed}.` : "Discarded.");
    setQuestion(null);
    asked.again();
    onDone();
  };
  const end = html`<button class="quiet" onClick=${onClose}>Close</button>`;
  return html`<${Panel} title="Letter ${partition}:${offset}" end=${end} id="letter" head=${head}>
    <p role="status" class=${said ? "aside" : "visually-hidden"}>${said}</p>
    <${Asked} asked=${asked} what="the letter">${(letter) => html`
      <${Shown} letter=${letter} />
      <${Actions} letter=${letter} session=${session} onAsk=${setQuestion} />
      ${question && html`<${Question} question=${question} letter=${letter} act=${act}
        onNo=${() => setQuestion(null)} />`}`}<//>
  <//>`;
}

function Shown({ letter }) {
  const { origin, event } = letter;
  return html`
    <${Facts} facts=${[
      ["State", html`<${Outcome} kind=${letter.state} />${letter.placed && html`${" "}
        <a class="mono" href=${linkTo("event", letter.placed.split(":"))}>${letter.placed}</a>`}`],
      ["Reason", html`<strong>${letter.reason}</strong>`],
      ["Event id", letter.event_id],
      ["Kept", html`<${Time} at=${letter.at ?? letter.time} />`],
      ["Came from", html`<code>${origin.topic} ${origin.partition}:${origin.offset}</code>`],
      ["Key", letter.key && html`<code>${letter.key}</code>`],
      ["Size", `${bytes(letter.size)}${letter.left_out ? ", left out" : ""}`],
    ]} />
    ${letter.detail && html`<p>${letter.detail}</p>`}
    ${event && html`<h3>Decoded</h3>
      <${Facts} facts=${Object.entries(event).map(([name, value]) => [name, String(value)])} />`}
    ${Object.keys(letter.headers ?? {}).length > 0 && html`<h3>Headers</h3>
      <${Facts} facts=${Object.entries(letter.headers).map(
      ([name, value]) => [name, html`<code>${value}</code>`])} />`}
    <h3>Original bytes</h3>
    ${letter.hidden ? html`<p class="aside">Hidden: they need the right <code>payload</code>.</p>`
      : html`<${Original} base64=${letter.original} />`}`;
}

/** As text where they are text, else in hex. */
function Original({ base64 }) {
  if (!base64) return html`<p class="note">None.</p>`;
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    return html`
      <${Body} label="Original bytes as text" text=${new TextDecoder("utf-8", { fatal: true }).decode(raw)} />`;
  } catch {
    return html`<${Body} label="Original bytes in hex"
      text=${[...raw].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")} />`;
  }
}

function Actions({ letter, session, onAsk }) {
  if (!session.may.includes("write")) return html`
    <p class="aside">To replay or discard needs the right <code>write</code>.</p>`;
  return html`<div class="buttons">
    <button class="button primary" disabled=${letter.state !== "open" || letter.left_out > 0}
      onClick=${() => onAsk("replay")}>Replay …</button>
    <button class="button danger" disabled=${letter.state !== "open"}
      onClick=${() => onAsk("discard")}>Discard …</button>
    ${letter.state !== "open" ? html`<span class="small second">It is ${letter.state} already.</span>`
      : letter.left_out > 0 && html`<span class="small second">It is not whole: it cannot be replayed.</span>`}
  </div>`;
}

/** Each question begins anew: what went wrong with the one before is not about it. */
function Question({ question, letter, act, onNo }) {
  const [work, onYes] = useWork(act);
  const where = `${letter.partition}:${letter.offset}`;
  if (question === "replay") {
    return html`<${Confirm} title="Replay letter ${where}?" yes="Replay" work=${work} onYes=${onYes} onNo=${onNo}>
      <p>The original record is published to ingest again, with its own id. Where what was wrong (<strong>
        ${letter.reason}</strong>)
        is not mended, it comes back here.</p><p>It is logged with your name.</p><//>`;
  }
  return html`<${Confirm} title="Discard letter ${where}?" yes="Discard" danger=${true} work=${work} onYes=${onYes}
    onNo=${onNo}>
    <p>It is marked as done with and will not be published. Its bytes stay until retention removes them.</p>
    <p>It is logged with your name.</p><//>`;
}
