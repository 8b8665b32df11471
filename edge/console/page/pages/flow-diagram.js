// The pipeline, drawn: thicker where more passes. What it shows the table below it says in words.

import { count, duration, plural, rate } from "../format.js";
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { laidOut, NARROWEST } from "./flow-layout.js";

const CHARACTER = 5.9; // px, on average, of the small type

/** `figures`: of each row by its id; `chosen`: the row whose last minutes are shown. */
export function FlowDiagram({ pipeline, figures, sample, chosen, onChoose }) {
  const [frame, seen] = useWidth();
  const width = Math.max(seen, NARROWEST);
  const plan = useMemo(() => (seen ? laidOut(pipeline, width) : null), [pipeline, seen]);
  return html`<div ref=${frame}>${plan && html`<svg class="flow" role="img" viewBox="0 0 ${width} ${plan.height}"
      width=${width} height=${plan.height}
      aria-label="The pipeline from ingest through route, and in each lane notify, store and push, to the devices">
    ${plan.bands.map((band) => html`<${Band} key=${band.lane?.name ?? band.title} band=${band} />`)}
    ${plan.links.map(({ path, row, faint }) => html`<path key=${path} class="flow-link ${faint ? "faint" : ""}"
      d=${path}
      stroke-width=${faint ? 1.5 : thickness(figures.get(row?.id)?.rate)} />`)}
    <${Place} box=${plan.source} title="ingest" />
    <${Place} box=${plan.end} title="edge" figure=${sample?.edge?.up ? plural(sample.edge.sessions, "socket") : ""} />
    ${plan.nodes.map((node) => html`<${Node} key=${node.row.id} node=${node} figures=${figures.get(node.row.id)}
      chosen=${node.row.id === chosen} onChoose=${onChoose} />`)}
  </svg>`}</div>`;
}

/** A ref, and the width of what it stands on. */
function useWidth() {
  const frame = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => setWidth(Math.floor(contentRect.width)));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}

function thickness(perSecond) {
  return perSecond ? Math.min(8, 1.5 + Math.log10(1 + perSecond) * 1.4) : 1.5;
}

function Band({ band: { lane, title, x, y, w, h } }) {
  const window = lane?.window && !/^0/.test(lane.window) ? `window ${lane.window}` : "";
  return html`<g>
    <rect class="flow-band" x=${x} y=${y} width=${w} height=${h} rx="8" />
    <text class="flow-lane" x=${x + 12} y=${y + 16}>${lane?.name ?? title}</text>
    ${window && html`<text class="flow-small" x=${x + w - 12} y=${y + 16} text-anchor="end">${window}</text>`}
  </g>`;
}

function Place({ box: { x, y, w, h }, title, figure = "" }) {
  return html`<g>
    <rect class="flow-place" x=${x + 0.5} y=${y} width=${w - 1} height=${h} rx="14" />
    <text class="flow-title" x=${x + w / 2} y=${y + h / 2 + (figure ? -3 : 4.5)} text-anchor="middle">${title}</text>
    ${figure && html`<text class="flow-small" x=${x + w / 2} y=${y + h / 2 + 13} text-anchor="middle">${figure}</text>`}
  </g>`;
}

function Node({ node: { row, x, y, w, h, room }, figures, chosen, onChoose }) {
  const name = row.platform ? (row.stage === "push" ? row.platform : `${row.platform} ${row.stage}`) : row.stage;
  const isDown = figures && !figures.up;
  const drops = dropped(figures?.drops);
  return html`<g class="flow-node ${chosen ? "chosen" : ""} ${isDown ? "down" : ""}" onClick=${() => onChoose(row.id)}>
    <rect x=${x} y=${y} width=${w} height=${h} rx="6" />
    <text class="flow-title" x=${x + 10} y=${y + 22}>${name}</text>
    <text class="flow-rate" x=${x + w - 10} y=${y + 22} text-anchor="end">
      ${isDown ? "down" : `${rate(figures?.rate)}/s`}</text>
    <text class="flow-small" x=${x + 10} y=${y + 42}>age ${duration(figures?.age)}</text>
    <text class="flow-small ${figures?.lag > 1000 ? "warn" : ""}" x=${x + w - 10} y=${y + 42} text-anchor="end">
      lag ${count(figures?.lag)}</text>
    ${lines(drops, room).map((text, index) => html`<text key=${index} class="flow-drops" x=${x + 4}
      y=${y + h + 15 + 15 * index}>${text}</text>`)}
  </g>`;
}

/** What a stage drops, most first. */
function dropped(drops) {
  const found = Object.entries(drops ?? {}).filter(([, perSecond]) => perSecond > 0).sort(([, a], [, b]) => b - a);
  return found.map(([reason, perSecond]) => `${reason} ${rate(perSecond)}/s`);
}

/** The same below a box: a line each where there is all the room (0), else as many as fit on one. */
function lines(drops, room) {
  if (room === 0) return drops.map((text) => `▾ ${text}`);
  let fits = drops.length;
  while (fits > 1 && drops.slice(0, fits).join(", ").length * CHARACTER > room) fits--;
  const more = drops.length > fits ? ` and ${drops.length - fits} more` : "";
  return drops.length ? [`▾ ${drops.slice(0, fits).join(", ")}${more}`] : [];
}
