// What stands where there is nothing to show: not yet, not any, not possible. Each says what to do.

import { html } from "../html.js";

/** Something is on its way. */
export function Loading({ what }) {
  return html`<p class="note" role="status">Loading ${what} …</p>`;
}

/** There is none; the children say how there would be. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p><p>${children}</p></div>`;
}

/** It did not work: what the server said, and a button where another try may help. */
export function Failed({ error, retry = null }) {
  const { title, detail } = error.problem ?? {};
  return html`<div class="failed" role="alert">
    <p><strong>${title ?? "That did not work"}</strong></p>
    <p>${detail ?? error.message}</p>
    ${retry && html`<button class="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** The state of something asked for, until it is there; then what `children`, a function, makes of it. */
export function Asked({ asked, what, children }) {
  if (asked.error) return html`<${Failed} error=${asked.error} retry=${asked.again} />`;
  if (!asked.value) return html`<${Loading} what=${what} />`;
  return children(asked.value);
}
