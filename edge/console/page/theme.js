// Light or dark: as the system says until the reader chooses.

const KEY = "lockstep-theme";
const listeners = new Set();

/** What the reader chose: "light", "dark", or "system". */
export function chosen() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** Choose; it is remembered in this browser. */
export function choose(theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  apply();
}

/** Put the theme on the document. */
export function apply() {
  const theme = chosen();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const tell of listeners) tell();
}

/** Call `tell` when colours change, for what is drawn on a canvas; gives what ends it. */
export function whenThemed(tell) {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

/** A colour of the design by its name, as a canvas takes it. */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
