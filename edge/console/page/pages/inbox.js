// The inbox of an account: its newest rows, and in each lane how far every device has read.

import { html } from "../html.js";
import { plural, UNKNOWN } from "../format.js";
import { Panel, Scroll } from "../parts/layout.js";
import { Place } from "../parts/place.js";
import { Empty } from "../parts/states.js";
import { Status } from "../parts/status.js";
import { Time } from "../parts/time.js";

/** `inbox`: `{rows, heads, cursors}`: of each lane, and of each device in each lane, `{seq, offset}`. */
export function Inbox({ inbox, devices, lanes }) {
  const { rows, heads, cursors } = inbox;
  const used = lanes.filter((lane) => heads[lane]?.seq > 0 || rows.some((row) => row.lane === lane));
  return html`<${Panel} title="Inbox" flush=${true} end=${rows.length ? html`<span
    title="An ack says how far a device has read. A row that is not meant for it counts as behind until its next ack.">
    ${plural(rows.length, "newest row")}</span>` : ""}>
    ${used.length > 0 && html`<${Cursors} used=${used} rows=${rows} heads=${heads} cursors=${cursors}
      devices=${devices} />`}
    ${rows.length ? html`<${Rows} rows=${rows} />`
      : html`<${Empty} title="The inbox is empty">Rows come with the first event, and leave when its life is over.<//>`}
  <//>`;
}

/** Positions are offsets in ingest, where the account has one partition. */
function Cursors({ used, rows, heads, cursors, devices }) {
  return html`<${Scroll} label="Cursors"><table>
    <thead><tr><th scope="col">Read up to</th>${used.map((lane) => html`<th scope="col" key=${lane}>
      ${lane}</th>`)}</tr></thead>
    <tbody>
      <tr><th scope="row">head of the lane</th>${used.map((lane) => html`<td key=${lane} class="mono">
        ${heads[lane]?.seq > 0 ? heads[lane].offset : UNKNOWN}</td>`)}</tr>
      ${devices.map(({ id }) => html`<tr key=${id}><th scope="row" class="nowrap">${id}</th>
        ${used.map((lane) => html`<td key=${lane}><${Position} at=${cursors[id]?.[lane]} lane=${lane} rows=${rows}
          head=${heads[lane]} /></td>`)}</tr>`)}
    </tbody></table><//>`;
}

/** Whether a device has read the lane to its head, and if not how many of the rows shown are left. */
function Position({ at, lane, rows, head }) {
  if (!at) return html`<span class="muted">said nothing lately</span>`;
  const where = html`<span class="mono muted">${at.offset}</span>`;
  if (!head || at.seq >= head.seq) return html`<${Status} tone="ok">at the head<//>${" "}${where}`;
  const behind = rows.filter((row) => row.lane === lane && row.seq > at.seq).length;
  return html`<${Status} tone="none">${behind ? `${plural(behind, "row")} behind` : "behind"}<//>${" "}${where}`;
}

function Rows({ rows }) {
  return html`<${Scroll} label="Inbox rows" long=${true}><table>
    <thead><tr><th scope="col">Lane</th><th scope="col">Type</th><th scope="col">Happened</th>
      <th scope="col">Readable until</th>
      <th scope="col">Events</th><th scope="col">Payload</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id}>
      <td><span class="tag">${row.lane}</span></td><td>${row.type}</td>
      <td class="nowrap"><${Time} at=${row.time} /></td><td class="nowrap"><${Time} at=${row.expires} /></td>
      <td><${Place} at=${row.event} text=${row.events[0]} />
        ${row.events.length > 1 && html`${" "}<span class="tag" title=${row.events.join(", ")}>
          ${row.events.length} merged</span>`}</td>
      <td class="payload">${row.hidden ? html`<span class="muted">hidden</span>` : html`<code title=${row.body}>
        ${row.body || UNKNOWN}</code>`}</td>
    </tr>`)}</tbody></table><//>`;
}
