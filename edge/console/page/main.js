// Where the page begins.

import { App } from "./app.js";
import { html, render } from "./html.js";
import { takeToken } from "./router.js";
import { apply } from "./theme.js";

apply();
render(html`<${App} token=${takeToken()} />`, document.getElementById("app"));
