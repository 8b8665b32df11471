// What is around every page: the way to the others, who is signed in, light or dark.

import { html, useState } from "./html.js";
import { Choice } from "./parts/layout.js";
import { linkTo } from "./router.js";
import { choose, chosen } from "./theme.js";

/** The pages and their names, in the order of the navigation. */
export const NAMES = [
  ["flow", "Flow"], ["event", "Event"], ["account", "Account"], ["play", "Devices"], ["letters", "Dead letters"],
  ["what-if", "What if"],
];
const THEMES = [["system", "Auto"], ["light", "Light"], ["dark", "Dark"]];

/** Navigation beside, or on a small screen above, the page. */
export function Shell({ page, session, onEnd, children }) {
  const skip = (event) => {
    event.preventDefault();
    document.getElementById("page").focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#page" onClick=${skip}>Skip to the page</a>
    <header class="side">
      <p class="brand"><${Mark} /> lockstep</p>
      <nav aria-label="Pages"><ul>
        ${NAMES.map(([name, label]) => html`<li key=${name}><a href=${linkTo(name)}
          aria-current=${name === page ? "page" : undefined}>${label}</a></li>`)}
      </ul></nav>
      <div class="side-end">
        <${Theme} />
        <p class="who"><span class="who-name">${session.name}</span>
          <span class="who-may">may ${session.may.join(", ")}</span></p>
        <button class="quiet" onClick=${onEnd}>Sign out</button>
      </div>
    </header>
    <main id="page" class="page" tabindex="-1">${children}</main>
  </div>`;
}

/** Two chevrons that stop at one line: in step. */
export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="currentColor" />
    <g fill="none" stroke="var(--surface)" stroke-width="3.2" stroke-linecap="round" stroke-linejoin="round">
      <path d="M7 21l6-5-6-5" /><path d="M15.5 21l6-5-6-5" /><path d="M26 10.5v11" />
    </g></svg>`;
}

function Theme() {
  const [theme, setTheme] = useState(chosen());
  const change = (to) => {
    choose(to);
    setTheme(to);
  };
  return html`<${Choice} label="Colours" value=${theme} options=${THEMES} onChoose=${change} />`;
}
