// Now beside then: what became of the events, what would have, and how long they would have waited.

import { html } from "../html.js";
import { absolute, count, milliseconds, plural } from "../format.js";
import { Panel, Scroll } from "../parts/layout.js";
import { Place } from "../parts/place.js";
import { Empty } from "../parts/states.js";
import { Outcome } from "../parts/status.js";

const DELAYS = [["p50", "half within"], ["p99", "99 % within"], ["max", "longest"]];

/** `result`: what the server answered. */
export function Verdict({ result }) {
  const kinds = [...new Set([...Object.keys(result.now), ...Object.keys(result.then)])]
    .filter((kind) => result.now[kind] || result.then[kind]);
  const window = `${absolute(result.window.from).slice(0, 19)} to ${absolute(result.window.to).slice(11, 19)}`;
  if (!result.events) return html`
    <${Empty} title="No event of this use case in that time">Choose a longer time, or publish some.<//>`;
  return html`
    <${Panel} title="What becomes of ${plural(result.events, "event")}" flush=${true} end=${window}>
      ${result.left_out.records > 0 && html`
        <p class="aside">There was too much to judge: in ${result.left_out.partitions} of
        ${" "}${result.left_out.of} partitions the oldest ${plural(result.left_out.records, "event")} of all use cases
        ${" "}are left out.</p>`}
      <table class="compare"><thead><tr><th scope="col">Outcome</th><th scope="col" class="num">Now</th>
        <th scope="col" class="num">Then</th>
        <th scope="col" class="num">Change</th><th scope="col" aria-hidden="true" class="bars-head"></th></tr></thead>
      <tbody>${kinds.map((kind) => html`<${Row} key=${kind} kind=${kind} now=${result.now[kind] ?? 0}
        then=${result.then[kind] ?? 0}
        all=${result.events} />`)}</tbody></table>
    <//>
    <${Delay} delay=${result.delay_ms} />
    <${Examples} examples=${result.examples} changed=${result.changed} />`;
}

function Row({ kind, now, then, all }) {
  return html`<tr><th scope="row"><${Outcome} kind=${kind} /></th><td class="num">${count(now)}</td><td class="num">
    <strong>${count(then)}</strong></td>
    <td class="num ${now === then ? "muted" : ""}">${signed(then - now)}</td>
    <td aria-hidden="true"><div class="bars"><span class="bar" style=${{ width: share(now, all) }}></span>
      <span class="bar then" style=${{ width: share(then, all) }}></span></div></td></tr>`;
}

function share(part, all) {
  return `${all ? (100 * part) / all : 0}%`;
}

function signed(change) {
  return change === 0 ? "±0" : `${change > 0 ? "+" : "−"}${count(Math.abs(change))}`;
}

function Delay({ delay }) {
  if (!delay) return null;
  return html`<${Panel} title="Wait in windows" flush=${true}><table><thead><tr><th scope="col">Of the events</th>
    <th scope="col" class="num">Now</th>
    <th scope="col" class="num">Then</th></tr></thead><tbody>${DELAYS.map(([key, label]) => html`<tr key=${key}>
      <th scope="row">${label}</th>
    <td class="num">${milliseconds(delay.now?.[key])}</td><td class="num"><strong>
      ${milliseconds(delay.then?.[key])}</strong></td></tr>`)}</tbody></table><//>`;
}

function Examples({ examples, changed }) {
  if (!changed) return html`<p class="note">No event would have ended otherwise.</p>`;
  return html`<${Panel} title="Events that would end otherwise" flush=${true}
    end=${`${count(examples.length)} of ${count(changed)}`}><${Scroll} label="Examples" long=${true}><table>
    <thead><tr><th scope="col">Event</th><th scope="col">Now</th><th scope="col">Then</th></tr></thead>
    <tbody>${examples.map((each) => html`<tr key=${`${each.event.partition}:${each.event.offset}`}>
      <td><${Place} at=${each.event} text=${each.event.id} /></td>
      <td><${End} end=${each.now} /></td><td><${End} end=${each.then} /></td></tr>`)}</tbody></table><//><//>`;
}

function End({ end: { outcome, why, lane } }) {
  return html`<span title=${why}><${Outcome} kind=${outcome} /></span>${lane && html`${" "}<span class="tag">
    ${lane}</span>`}`;
}
