// The inbox of an account: its newest rows, and in each lane how far every device has read.

import { html } from "../html.js";
import { bytes, plural, UNKNOWN } from "../format.js";
import { Panel, Scroll } from "../parts/layout.js";
import { Empty } from "../parts/states.js";
import { Status } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { linkTo } from "../router.js";

/** `inbox`: `{rows, heads: {lane: seq}, cursors: {device: {lane: seq}}}`. */
export function Inbox({ inbox, devices, lanes }) {
  const { rows, heads = {}, cursors = {} } = inbox;
  const used = lanes.filter((lane) => heads[lane] > 0 || rows.some((row) => row.lane === lane));
  return html`<${Panel} title="Inbox" flush=${true} end=${rows.length ? plural(rows.length, "newest row") : ""}>
    ${used.length > 0 && html`<${Scroll} label="Cursors"><table>
      <thead><tr><th scope="col">Read up to</th>${used.map((lane) => html`<th scope="col" key=${lane}>${lane}</th>`)}</tr></thead>
      <tbody>
        <tr><th scope="row">head</th>${used.map((lane) => html`<td key=${lane} class="mono">${place(heads[lane])}</td>`)}</tr>
        ${devices.map(({ id }) => html`<tr key=${id}><th scope="row">${id}</th>
          ${used.map((lane) => html`<td key=${lane}><${Position} at=${cursors[id]?.[lane]} lane=${lane} rows=${rows} head=${heads[lane]} /></td>`)}</tr>`)}
      </tbody></table><//>`}
    ${rows.length ? html`<${Rows} rows=${rows} />`
      : html`<${Empty} title="The inbox is empty">Rows come with the first event, and leave when its life is over.<//>`}
  <//>`;
}

/** Whether a device has read the lane to its head, and if not how many of the rows shown are left. */
function Position({ at, lane, rows, head }) {
  if (at == null) return html`<span class="muted">never said</span>`;
  if (head == null || at >= head) return html`<${Status} tone="ok">at the head<//>`;
  const behind = rows.filter((row) => row.lane === lane && row.seq > at).length;
  return html`<${Status} tone="warn">${behind ? `${plural(behind, "row")} behind` : "behind"}<//>${" "}
    <span class="mono muted">${place(at)}</span>`;
}

/** A position without the epoch in its high bits, which only the first sight of a number of 15 digits would tell. */
function place(seq) {
  if (seq == null || seq < 0) return UNKNOWN;
  return Number(BigInt(seq) & 0xffffffffffffn);
}

function Rows({ rows }) {
  return html`<${Scroll} label="Inbox rows"><table>
    <thead><tr><th scope="col">Lane</th><th scope="col">Type</th><th scope="col">Happened</th><th scope="col">Readable until</th>
      <th scope="col">Events</th><th scope="col" class="num">Size</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id}>
      <td><span class="tag">${row.lane}</span></td><td>${row.type}</td>
      <td class="nowrap"><${Time} at=${row.time} /></td><td class="nowrap"><${Time} at=${row.expires} /></td>
      <td>${row.offset == null ? row.events.join(", ") : html`<a class="mono" href=${linkTo("event", [String(row.partition), String(row.offset)])}>${row.events.join(", ")}</a>`}
        ${row.events.length > 1 && html`${" "}<span class="tag">${row.events.length} merged</span>`}</td>
      <td class="num nowrap">${bytes(row.size)}</td>
    </tr>`)}</tbody></table><//>`;
}
