// A text that is often taken elsewhere, with a button that copies it.

import { html, useEffect, useState } from "../html.js";

/** `label` names what is copied. */
export function Copyable({ text, label }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  const may = Boolean(navigator.clipboard); // browsers have none for a page that comes without TLS from another machine
  return html`<span class="copyable"><code>${text}</code>${may && html`<button class="quiet" aria-label="Copy ${label}"
    onClick=${copy}>${copied ? "copied" : "copy"}</button>`}</span>`;
}
