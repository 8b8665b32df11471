// The record as it was published: headers for all, the body for those who may see payloads.

import { html } from "../html.js";
import { Facts } from "../parts/layout.js";

/** `raw`: `{headers, body, hidden}`. */
export function Raw({ raw, may }) {
  if (!raw) return html`<p class="note">The record is not there any more: retention has removed it.</p>`;
  const headers = Object.entries(raw.headers);
  return html`
    ${headers.length > 0 && html`<${Facts} facts=${headers.map(([name, value]) => [name, html`<code>${value}</code>`])} />`}
    ${raw.hidden ? html`<p class="aside">The payload is hidden. It needs the right <code>payload</code>; you may
        ${" "}${may.join(", ")}.</p>`
      : raw.body ? html`<${Body} text=${raw.body} />` : html`<p class="note">It has no body.</p>`}`;
}

/** A body as it came, JSON set in lines; it may be scrolled by keyboard. */
export function Body({ text, label = "Body" }) {
  return html`<pre class="raw" tabindex="0" role="region" aria-label=${label}>${pretty(text)}</pre>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
