// Asks before something is changed.

import { html, useEffect, useRef } from "../html.js";
import { Failed } from "./states.js";

/** A question over the page. `work` is the state of what `onYes` does; the dialog stays until it is done. */
export function Confirm({ title, yes, danger = false, work, onYes, onNo, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  const cancelled = (event) => {
    event.preventDefault();
    if (!work.busy) onNo();
  };
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby="dialog-title" onCancel=${cancelled}>
    <h2 id="dialog-title">${title}</h2>
    <div class="dialog-body">${children}</div>
    ${work.error && html`<${Failed} error=${work.error} />`}
    <div class="buttons end">
      <button class="button" disabled=${work.busy} onClick=${onNo}>Cancel</button>
      <button class="button ${danger ? "danger" : "primary"}" disabled=${work.busy} onClick=${onYes}>
        ${work.busy ? "Working …" : yes}</button>
    </div>
  </dialog>`;
}
