// A choice among all event types, by use case.

import { html } from "../html.js";

/** The options of a select. */
export function TypeOptions({ topology }) {
  return topology.use_cases.map(({ name, types }) => html`<optgroup key=${name} label=${name}>
    ${types.map((type) => html`<option key=${type} value=${type}>${type}</option>`)}</optgroup>`);
}
