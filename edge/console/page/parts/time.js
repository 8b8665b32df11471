// A moment: how long ago, kept true while it is shown, and on hover exactly when.

import { html, useEffect, useState } from "../html.js";
import { absolute, moment, relative, UNKNOWN } from "../format.js";

const PERIOD_MS = 1000;
const shown = new Set();
let timer = null;

/** `at`: ms since 1970 or RFC 3339. */
export function Time({ at }) {
  const ms = moment(at);
  const known = ms != null && !Number.isNaN(ms);
  const [, setText] = useState("");
  useEffect(() => (known ? follow(() => setText(relative(ms))) : undefined), [ms]);
  if (!known) return html`<span>${UNKNOWN}</span>`;
  return html`<time datetime=${new Date(ms).toISOString()} title=${absolute(ms)}>${relative(ms)}</time>`;
}

/** Call `tell` once a second; gives what ends it. A text that stays the same draws nothing anew. */
function follow(tell) {
  shown.add(tell);
  timer ??= setInterval(() => shown.forEach((each) => each()), PERIOD_MS);
  return () => {
    shown.delete(tell);
    if (shown.size) return;
    clearInterval(timer);
    timer = null;
  };
}
