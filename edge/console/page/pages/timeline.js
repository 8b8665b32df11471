// The way of an event: each stage with the verdict of its gates and what it did, in the order of time.

import { html } from "../html.js";
import { milliseconds, readable } from "../format.js";
import { Empty } from "../parts/states.js";
import { Shape, TONES } from "../parts/status.js";

/** `trace`: gates and steps, as `lockstep trace --json` has them. */
export function Timeline({ trace }) {
  const stages = stagesOf(trace);
  if (!stages.length) {
    return html`<${Empty}
      title="No stage has said anything of it yet">It is in ingest. Is the worker <code>router</code> up?<//>`;
  }
  return html`<ol class="timeline">${stages.map((stage) => html`<${Stage} key=${stage.name} ...${stage} />`)}</ol>`;
}

/** Gates and steps by stage, in the order in which the stages come. */
export function stagesOf({ gates, steps }) {
  const stages = new Map();
  for (const each of [...gates, ...steps]) {
    if (!stages.has(each.stage)) stages.set(each.stage, { name: each.stage, gates: [], steps: [] });
  }
  for (const gate of gates) stages.get(gate.stage).gates.push(gate);
  for (const step of steps) stages.get(step.stage).steps.push(step);
  return [...stages.values()];
}

function Stage({ name, gates, steps }) {
  const refused = gates.some(({ passed }) => !passed);
  return html`<li class="stage">
    <h3><${Shape} tone=${refused ? "bad" : "ok"} /> ${name}</h3>
    ${gates.length > 0 && html`<${Gates} gates=${gates} />`}
    ${steps.length > 0 && html`<ul class="steps">${steps.map((step) => html`
      <${Step} key=${`${step.ms}${step.what}${step.where}${step.devices}`} ...${step} />`)}</ul>`}
  </li>`;
}

/** Verdicts of gates with the numbers that decided. */
export function Gates({ gates }) {
  return html`<table class="gates"><thead class="visually-hidden"><tr><th>Gate</th><th>Verdict</th><th>Numbers</th>
    </tr></thead>
    <tbody>${gates.map(({ gate, passed, detail }) => html`<tr key=${gate} class=${passed ? "" : "refused"}>
      <th scope="row">${gate}</th>
      <td class="nowrap tone-${passed ? "ok" : "bad"}">
        <${Shape} tone=${passed ? "ok" : "bad"} /> ${passed ? "passed" : "refused"}</td>
      <td title=${detail}>${readable(detail)}</td></tr>`)}</tbody></table>`;
}

function Step({ ms, what, where, devices, detail }) {
  return html`<li><span class="step-ms">${ms < 0 ? "–" : `+${milliseconds(ms)}`}</span>
    <span><span class="tone-${TONES[what] ?? "move"}">${what}</span>
      ${where && html`${" "}<code>${where}</code>`}${devices?.length > 0 && html`${" "}for ${devices.join(", ")}`}
      ${detail && html`${" "}<span class="second" title=${detail}>${readable(detail)}</span>`}</span></li>`;
}
