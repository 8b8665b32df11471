// A state, said by a shape and a word beside its colour.

import { html } from "../html.js";

const SHAPES = {
  ok: html`<circle cx="5" cy="5" r="4" />`,
  warn: html`<path d="M5 .8 9.6 9.2H.4Z" />`,
  bad: html`<path d="M1 1h8v8H1z" />`,
  none: html`<circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" stroke-width="1.6" />`,
  move: html`<path d="M1.5.8 9 5 1.5 9.2z" />`,
};

/** The tone of what became of an event or a device. */
export const TONES = {
  acked: "ok", pulled: "ok", accepted: "ok", delivered: "ok", replayed: "ok", push: "ok", provider: "ok",
  stored: "none", store: "none", "no-target": "none", nothing: "none", discarded: "none",
  pushed: "move", open: "warn", merged: "warn", duplicate: "warn", superseded: "warn", expired: "warn",
  undeliverable: "warn", stale: "bad", conflict: "bad", "dead-lettered": "bad", failed: "bad",
};

/** The shape alone, for where a word stands beside it. */
export function Shape({ tone }) {
  return html`<svg class="shape tone-${tone}" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"
    fill="currentColor">${SHAPES[tone]}</svg>`;
}

/** A shape and its word; `pill` sets it off from what is around it. */
export function Status({ tone, pill = false, children }) {
  return html`<span class="status tone-${tone} ${pill ? "pill" : ""}"><${Shape} tone=${tone} />
    <span>${children}</span></span>`;
}

/** What became of something, in the words of outcomes. */
export function Outcome({ kind, pill = false }) {
  return html`<${Status} tone=${TONES[kind] ?? "none"} pill=${pill}>${kind}<//>`;
}
