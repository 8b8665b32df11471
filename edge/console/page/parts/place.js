// A place in ingest, which leads to the event that lies there.

import { html } from "../html.js";
import { linkTo } from "../router.js";

/** `at`: `{partition, offset}`; `text`: what it is called, else the place itself. */
export function Place({ at, text = "" }) {
  return html`<a class="mono" href=${linkTo("event", [String(at.partition), String(at.offset)])}>${
    text || `${at.partition}:${at.offset}`}</a>`;
}
