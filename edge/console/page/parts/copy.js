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
  return html`<span class="copyable"><code>${text}</code><button class="quiet" aria-label="Copy ${label}"
    onClick=${copy}>${copied ? "copied" : "copy"}</button></span>`;
}
