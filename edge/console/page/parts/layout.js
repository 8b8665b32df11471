// Heads, panels, fields: what every page is laid out with.

import { html } from "../html.js";

/** The head of a page; `children` stand at its end. */
export function Head({ title, lead, children }) {
  return html`<header class="head">
    <div><h1 tabindex="-1" id="title">${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
    ${children && html`<div class="head-end">${children}</div>`}
  </header>`;
}

/** A part of a page under a heading; `head`: a ref of the heading, which may then take the focus. */
export function Panel({ title, end, children, flush = false, id, head }) {
  const name = id ?? `panel-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return html`<section class="panel" aria-labelledby=${name}>
    <div class="panel-head">
      <h2 id=${name} ref=${head} tabindex=${head ? -1 : undefined}>${title}</h2>
      ${end && html`<div class="panel-end">${end}</div>`}
    </div>
    <div class=${flush ? "panel-flush" : "panel-body"}>${children}</div>
  </section>`;
}

/** A label and what it labels, which has the id `name`. */
export function Field({ label, hint, name, children }) {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    ${children}
    ${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
  </div>`;
}

/** A choice among a few, as buttons of which one is pressed. `options`: `[value, label]`. */
export function Choice({ label, value, options, onChoose }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(([option, text]) => html`<button key=${option} aria-pressed=${option === value}
      onClick=${() => onChoose(option)}>${text}</button>`)}
  </div>`;
}

/** A wide table in a box that scrolls by itself, by keyboard too; `long`: downwards as well. */
export function Scroll({ label, long = false, children }) {
  return html`<div class="scroll ${long ? "long" : ""}" role="group" aria-label=${label} tabindex="0">
    ${children}</div>`;
}

/** Names and what stands for each: `[name, value]`, without those whose value is empty. */
export function Facts({ facts }) {
  return html`<dl class="facts">${facts.filter(([, value]) => value != null && value !== "").map(
    ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
