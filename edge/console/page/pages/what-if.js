// What if: the last events judged again under other rules. Nothing is applied.

import { html, useState } from "../html.js";
import { post } from "../api.js";
import { useWork } from "../parts/asked.js";
import { Field, Head, Panel } from "../parts/layout.js";
import { Empty, Failed } from "../parts/states.js";
import { Verdict } from "./what-if-result.js";

const MERGES = ["none", "latest", "union"];
const SPANS = [[15, "15 minutes"], [60, "1 hour"], [360, "6 hours"]];

/** The page: rules that may be changed, and what they would have done. */
export function WhatIf({ topology }) {
  const [name, setName] = useState(topology.use_cases[0].name);
  const useCase = topology.use_cases.find((each) => each.name === name);
  const [changes, setChanges] = useState({});
  const [minutes, setMinutes] = useState(60);
  const [work, ask] = useWork(() => post("/what-if", { use_case: name, minutes, ...changed(changes, useCase) }));
  const change = (key) => ({ currentTarget: { value } }) => setChanges({ ...changes, [key]: value });
  const submit = (event) => {
    event.preventDefault();
    ask();
  };
  const value = (key, now) => changes[key] ?? now;
  return html`
    <${Head} title="What if"
      lead="Change a use case's rules and see what would have become of its last events. Nothing is applied." />
    <div class="columns what-if">
      <${Panel} title="Rules"><form class="form" onSubmit=${submit}>
        <${Field} name="what-case" label="Use case"><select id="what-case" value=${name}
          onChange=${({ currentTarget }) => { setName(currentTarget.value); setChanges({}); }}>
          ${topology.use_cases.map((each) => html`<option key=${each.name} value=${each.name}>
            ${each.name}</option>`)}</select><//>
        <${Field} name="what-age" label="Max age" hint="Now ${useCase.max_age}. A number and s, m, h or d.">
          <input id="what-age" pattern="[0-9]+(ms|s|m|h|d)"
          required aria-describedby="what-age-hint" value=${value("max_age", useCase.max_age)}
            onInput=${change("max_age")} /><//>
        <${Field} name="what-merge" label="Merge rule" hint="Now ${useCase.merge}.">
          <select id="what-merge" aria-describedby="what-merge-hint"
          value=${value("merge", useCase.merge)} onChange=${change("merge")}>
            ${MERGES.filter((each) => each !== "union" || useCase.merge_field)
            .map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select><//>
        <${Field} name="what-lane" label="Lane" hint="Now ${laneOf(useCase)}.">
          <select id="what-lane" aria-describedby="what-lane-hint"
          value=${value("lane", laneOf(useCase))} onChange=${change("lane")}>
            ${topology.lanes.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select><//>
        <${Field} name="what-minutes" label="Over the last"><select id="what-minutes" value=${minutes}
          onChange=${({ currentTarget }) => setMinutes(Number(currentTarget.value))}>
          ${SPANS.map(([span, label]) => html`<option key=${span} value=${span}>${label}</option>`)}</select><//>
        <div class="buttons"><button class="button primary" disabled=${work.busy}>
          ${work.busy ? "Judging …" : "Compare"}</button>
          ${Object.keys(changed(changes, useCase)).length > 0 && html`<button class="button" type="button"
            onClick=${() => setChanges({})}>Reset</button>`}</div>
      </form><//>
      <div aria-live="polite" class="stack">
        ${work.error && html`<${Failed} error=${work.error} />`}
        ${work.value && html`<${Verdict} result=${work.value} />`}
        ${!work.error && !work.value && html`
          <${Empty} title=${work.busy ? "Judging the events again …" : "Nothing is compared yet"}>
          ${work.busy ? "Every event goes through the gates twice." : "Change a rule and compare now with then."}<//>`}
      </div>
    </div>`;
}

function laneOf({ lane }) {
  return typeof lane === "string" ? lane : lane.is;
}

/** The rules that are not those of now. */
function changed(changes, useCase) {
  const now = { ...useCase, lane: laneOf(useCase) };
  return Object.fromEntries(Object.entries(changes).filter(([key, value]) => value !== now[key]));
}
