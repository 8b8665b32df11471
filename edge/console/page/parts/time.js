// A moment: how long ago, and on hover or focus exactly when.

import { html } from "../html.js";
import { absolute, moment, relative, UNKNOWN } from "../format.js";

/** `at`: ms since 1970 or RFC 3339. */
export function Time({ at }) {
  const ms = moment(at);
  if (ms == null || Number.isNaN(ms)) return html`<span>${UNKNOWN}</span>`;
  return html`<time datetime=${new Date(ms).toISOString()} title=${absolute(ms)}>${relative(ms)}</time>`;
}
