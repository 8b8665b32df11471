// Flow: the pipeline as it is now.

import { count, duration, rate } from "../format.js";
import { html, useEffect, useMemo, useState } from "../html.js";
import { figuresOf, remember, useFlow } from "../live.js";
import { Head, Panel } from "../parts/layout.js";
import { Status } from "../parts/status.js";
import { pipelineOf, titleOf } from "../topology.js";
import { FlowChart } from "./flow-chart.js";
import { FlowDiagram } from "./flow-diagram.js";
import { FlowTable } from "./flow-table.js";

const LIGHTS = { ok: "ok", broken: "bad", unknown: "none" };

/** The page: totals, the drawing, the last minutes of one stage, and all of it as a table. */
export function Flow({ topology }) {
  const { sample, connected } = useFlow();
  const pipeline = useMemo(() => pipelineOf(topology), [topology]);
  const [chosen, setChosen] = useState(pipeline.all[0].id);
  const figures = useMemo(() => new Map(pipeline.all.map((row) => [row.id, figuresOf(sample, row)])), [sample]);
  useEffect(() => {
    if (sample) pipeline.all.forEach((row) => remember(row, sample));
  }, [sample]);
  const row = pipeline.all.find(({ id }) => id === chosen);
  return html`
    <${Head} title="Flow" lead="Every lane and stage of topics.yaml, and what passes through them now.">
      <${Light} conservation=${sample?.conservation} />
      <${Status} tone=${connected ? "ok" : "none"} pill=${true}>${connected ? "Live" : "Connecting …"}<//>
    <//>
    <${Totals} pipeline=${pipeline} figures=${figures} sample=${sample} />
    <section class="panel diagram" aria-label="Pipeline" tabindex="0">
      <${FlowDiagram} pipeline=${pipeline} figures=${figures} sample=${sample} chosen=${chosen} onChoose=${setChosen} />
    </section>
    <${Panel} title=${titleOf(row)} end=${html`<span>last 5 minutes · worker ${row.worker}</span>`} id="chosen-row">
      <${FlowChart} row=${row} sample=${sample} />
    <//>
    <${Panel} title="All stages" flush=${true} end="Choose one to see its last minutes.">
      <${FlowTable} pipeline=${pipeline} figures=${figures} chosen=${chosen} onChoose=${setChosen} />
    <//>`;
}

/** Whether everything that came in is accounted for. */
function Light({ conservation }) {
  const { state = "unknown", detail = "" } = conservation ?? {};
  return html`<span title=${detail}><${Status} tone=${LIGHTS[state] ?? "none"} pill=${true}>Conservation ${state}<//>
    ${state === "broken" && html`<span class="small"> ${detail}</span>`}</span>`;
}

function total(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function Totals({ pipeline, figures, sample }) {
  const known = [...figures.values()].filter(Boolean);
  const sum = (of) => (known.length ? total(known.map((each) => of(each) ?? 0)) : null);
  const oldest = known.length ? Math.max(...known.map(({ age }) => age ?? 0)) : null;
  const tiles = [
    ["Events in", rate(figures.get(pipeline.heads[0]?.id)?.rate), "a second"],
    ["Oldest waiting", duration(oldest), "at any stage"],
    ["Backlog", count(sum(({ lag }) => lag)), "records behind"],
    ["Dropped", rate(sum(({ drops }) => total(Object.values(drops)))), "a second, all reasons"],
  ];
  if (sample?.edge?.up) tiles.push(["Devices online", count(sample.edge.sessions), "on sockets"]);
  return html`<dl class="tiles">${tiles.map(([name, value, unit]) => html`<div key=${name}>
    <dt>${name}</dt><dd><strong>${value}</strong> <span>${unit}</span></dd></div>`)}</dl>`;
}
