// The same figures as a table, for those who read rather than look, and for small screens.

import { count, duration, rate, UNKNOWN } from "../format.js";
import { html } from "../html.js";
import { Scroll } from "../parts/layout.js";
import { Shape } from "../parts/status.js";

/** As `FlowDiagram`; a row is chosen by its button. */
export function FlowTable({ pipeline, figures, chosen, onChoose }) {
  return html`<${Scroll} label="All stages"><table>
    <thead><tr><th scope="col">Stage</th><th scope="col">Lane</th><th scope="col" class="num">Rate /s</th>
      <th scope="col" class="num">Oldest</th><th scope="col" class="num">Lag</th><th scope="col">Dropped /s</th></tr>
        </thead>
    <tbody>${pipeline.all.map((row) => html`<${Row} key=${row.id} row=${row} figures=${figures.get(row.id)}
      chosen=${row.id === chosen} onChoose=${onChoose} />`)}</tbody>
  </table><//>`;
}

function Row({ row, figures, chosen, onChoose }) {
  const tone = figures ? (figures.up ? "ok" : "bad") : "none";
  const state = figures ? (figures.up ? "up" : "down") : "no figures yet";
  const drops = Object.entries(figures?.drops ?? {}).filter(([, perSecond]) => perSecond > 0);
  return html`<tr class=${chosen ? "chosen" : ""}>
    <th scope="row" class="nowrap"><span class="tone-${tone}" title="${row.worker}: ${state}"><${Shape} tone=${tone} />
      </span>
      ${" "}<button class="link" aria-pressed=${chosen} onClick=${() => onChoose(row.id)}>${row.stage}</button>
      <span class="visually-hidden">, worker ${row.worker} ${state}</span></th>
    <td>${row.lane ?? row.platform ?? "all"}</td>
    <td class="num">${rate(figures?.rate)}</td>
    <td class="num nowrap">${duration(figures?.age)}</td>
    <td class="num">${count(figures?.lag)}</td>
    <td>${drops.length ? drops.map(([reason, perSecond]) => `${reason} ${rate(perSecond)}`).join(", ") : UNKNOWN}</td>
  </tr>`;
}
