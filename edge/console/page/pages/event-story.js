// One event: what it is, its way through the stages, its devices, and its bytes.

import { count, milliseconds, plural, readable } from "../format.js";
import { html } from "../html.js";
import { useAsked } from "../parts/asked.js";
import { Copyable } from "../parts/copy.js";
import { Facts, Panel, Scroll } from "../parts/layout.js";
import { Asked, Empty } from "../parts/states.js";
import { Outcome, Status, TONES } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { linkTo } from "../router.js";
import { Raw } from "./raw.js";
import { Timeline } from "./timeline.js";

/** The event at a place in ingest. */
export function EventStory({ partition, offset, session }) {
  const asked = useAsked(`/events/${encodeURIComponent(partition)}/${encodeURIComponent(offset)}`);
  return html`<${Asked} asked=${asked} what="the event">${(trace) => html`
    <${Summary} trace=${trace} again=${asked.again} />
    <div class="columns wide-first">
      <${Panel} title="What happened" end="ms after the append in ingest"><${Timeline} trace=${trace} /><//>
      <div class="stack">
        <${Devices} devices=${trace.devices} />
        <${Panel} title="Raw event"><${Raw} raw=${trace.raw} may=${session.may} /><//>
      </div>
    </div>`}<//>`;
}

function Summary({ trace, again }) {
  const { event } = trace;
  return html`<section class="panel summary" aria-labelledby="event-type">
    <div class="summary-head">
      <h2 id="event-type">${event ? event.type : "Not an event"}</h2>
      <${Status} tone=${toneOf(trace)} pill=${true}>${readable(trace.verdict)}<//>
      <button class="quiet" onClick=${again}>Refresh</button>
    </div>
    <${Facts} facts=${[
      ["Event id", event && html`<${Copyable} text=${event.id} label="event id" />`],
      ["Account", html`<a href=${linkTo("account", [trace.account])}>${trace.account}</a>`],
      ["Source", event?.source],
      ["Lane", trace.lane && html`<span class="tag">${trace.lane}</span>`],
      ["Happened", event && html`<${Time} at=${event.time} />`],
      ["Appended", html`<${Time} at=${trace.appended} />`],
      ["Readable until", trace.expires && html`<${Time} at=${trace.expires} />`],
      ["Place in ingest", html`<${Copyable} text=${`${trace.partition}:${trace.offset}`} label="place" />`],
      ["Collapse key", event?.collapse_key],
      ["Copies by replays", trace.copies ? count(trace.copies) : ""],
    ]} />
  </section>`;
}

/** Devices outrank the event, as in the verdict. */
function toneOf({ devices, gates, verdict }) {
  const refused = gates.some(({ passed }) => !passed);
  const word = /^[a-z-]+/.exec(verdict)?.[0] ?? "";
  if (TONES[word] && word !== "delivered") return TONES[word];
  if (refused) return "bad";
  const delivered = devices.filter(({ outcome }) => ["acked", "pulled", "accepted"].includes(outcome)).length;
  if (devices.length && delivered === devices.length) return "ok";
  return devices.length ? "none" : "move";
}

function Devices({ devices }) {
  return html`<${Panel} title="Devices" flush=${true}
    end=${devices.length ? plural(devices.length, "targeted device") : ""}>
    ${devices.length ? html`<${Scroll} label="Devices"><table>
      <thead><tr><th scope="col">Device</th><th scope="col">Outcome</th><th scope="col" class="num">After</th>
        <th scope="col">Why</th></tr></thead>
      <tbody>${devices.map((fate) => html`<tr key=${fate.device}>
        <th scope="row" class="nowrap">${fate.device}</th>
        <td><${Outcome} kind=${fate.outcome} /></td>
        <td class="num nowrap">${fate.ms < 0 ? "–" : milliseconds(fate.ms)}</td>
        <td class="second">${[fate.stage && `by ${fate.stage}`, fate.code && `device says ${fate.code}`, fate.detail]
          .filter(Boolean).join("; ")}</td>
      </tr>`)}</tbody></table><//>`
    : html`<${Empty}
      title="No device was targeted">The event ended before devices were chosen: see the gate that refused it.<//>`}
  <//>`;
}
