// The record as it was published: headers for all, the body for those who may see payloads.

import { bytes } from "../format.js";
import { html } from "../html.js";
import { Facts } from "../parts/layout.js";

/** `raw`: `{key, headers, body, encoding, hidden, size}`. */
export function Raw({ raw, may }) {
  const headers = Object.entries(raw.headers);
  return html`
    <${Facts} facts=${[["Key", raw.key], ["Size", bytes(raw.size)]]} />
    ${headers.length > 0 && html`<h3>Headers</h3><${Facts} facts=${headers.map(([name, value]) => [name, html`<code>
      ${value}</code>`])} />`}
    <h3>Body</h3>
    ${raw.hidden ? html`<p class="aside">The payload is hidden. It needs the right <code>payload</code>; you may
        ${" "}${may.join(", ")}.</p>`
      : raw.body ? html`<${Body} text=${raw.body} label=${raw.encoding === "base64" ? "Body in base64" : "Body"} />`
        : html`<p class="note">It has no body.</p>`}`;
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
