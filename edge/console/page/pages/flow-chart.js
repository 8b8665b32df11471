// The last minutes of one stage: rate, oldest age, lag.

import { clock, count, duration, rate } from "../format.js";
import { html, useEffect, useRef } from "../html.js";
import { historyOf, KEPT } from "../live.js";
import { colour, whenThemed } from "../theme.js";

/** Title, which of the figures, how it is written, and how far the scale goes at least. */
const CHARTS = [
  ["Rate, events a second", 1, rate, 1], ["Oldest age", 2, duration, 0.01], ["Lag, records", 3, count, 10],
];
const HEIGHT = 120;
const LEAST_S = 60;
let library = null;

/** `row`: of the pipeline; drawn again with each sample. */
export function FlowChart({ row, sample }) {
  return html`<div class="charts">${CHARTS.map(([title, index, format, least]) => html`<${Chart}
    key=${title} title=${title} row=${row} index=${index} format=${format} least=${least} sample=${sample} />`)}</div>`;
}

function Chart({ title, row, index, format, least, sample }) {
  const frame = useRef(null);
  const chart = useRef(null);
  const draw = () => chart.current?.setData(dataOf(row, index));
  useEffect(() => {
    let over = false;
    const make = async () => {
      library ??= import("../vendor/uPlot.esm.js");
      const { default: Plot } = await library;
      if (over) return;
      chart.current?.destroy();
      chart.current = new Plot(options(frame.current.clientWidth, format, least), dataOf(row, index), frame.current);
    };
    make();
    const themed = whenThemed(make);
    const observer = new ResizeObserver(([{ contentRect }]) => chart.current?.setSize({
      width: Math.floor(contentRect.width), height: HEIGHT }));
    observer.observe(frame.current);
    return () => {
      over = true;
      themed();
      observer.disconnect();
      chart.current?.destroy();
    };
  }, []);
  useEffect(draw, [sample, row.id]);
  const last = historyOf(row)[index].at(-1);
  return html`<figure class="chart">
    <figcaption>${title} <strong>${format(last)}</strong></figcaption>
    <div ref=${frame} class="chart-frame" aria-hidden="true"></div>
  </figure>`;
}

function dataOf(row, index) {
  const history = historyOf(row);
  return [history[0], history[index]];
}

/** All that is kept, and at least a minute, so that a young page is not all empty. */
function span(self, from, to) {
  const last = to ?? Date.now() / 1000;
  return [Math.max(Math.min(from ?? last, last - LEAST_S), last - KEPT), last];
}

function minute(seconds) {
  return seconds % 60 ? `:${clock(seconds * 1000).slice(6)}` : clock(seconds * 1000).slice(0, 5);
}

function options(width, format, least) {
  const axis = {
    stroke: colour("ink-3"), font: "11px Inter, sans-serif", grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { time: true, range: span },
      y: { range: (self, from, to) => [0, Math.max(to ?? 0, least) * 1.15] },
    },
    axes: [
      { ...axis, size: 26, space: 44, incrs: [10, 30, 60, 120, 300], values: (self, times) => times.map(minute) },
      { ...axis, size: 52, space: 34, values: (self, at) => at.map((value) => (value === 0 ? "0" : format(value))) },
    ],
    series: [{}, { stroke: colour("accent"), width: 1.5, fill: colour("accent-soft"), points: { show: false } }],
  };
}
