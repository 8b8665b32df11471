// Dead letters: what was refused, why, and what is done about it.

import { html } from "../html.js";
import { bytes, count } from "../format.js";
import { useAsked } from "../parts/asked.js";
import { Head, Panel, Scroll } from "../parts/layout.js";
import { Asked, Empty } from "../parts/states.js";
import { Outcome } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { go, linkTo } from "../router.js";
import { Letter } from "./letter.js";

const LIMIT = 200;

/** The page: all letters or those of one reason, and beside them the one that is chosen. */
export function DeadLetters({ place, session }) {
  const [partition, offset] = place.parts;
  const reason = place.query.reason ?? "";
  const asked = useAsked("/dead-letters", { reason, limit: LIMIT });
  const close = () => go("letters", [], { reason });
  return html`
    <${Head} title="Dead letters"
      lead="Records that were refused, with their bytes and the reason. Mend the cause, then replay; or discard." />
    <${Asked} asked=${asked} what="the dead letters">${({ letters, counts, open, whole }) => html`
      <${Reasons} counts=${counts} reason=${reason} />
      <div class="columns ${offset ? "wide-first" : "single"}">
        <${Panel} title="Letters" flush=${true} end=${html`<span>
          ${count(letters.length)} shown, newest first; ${count(open)} open${whole ? "" : "; there are more"}</span>
            <button class="quiet" onClick=${asked.again}>Refresh</button>`}>
          ${letters.length ? html`<${Table} letters=${letters} reason=${reason} chosen=${`${partition}:${offset}`} />`
            : html`<${Empty} title=${reason ? `No letter for ${reason}` : "No dead letters"}>${reason
              ? "Choose another reason above." : "Everything that was published so far could be read."}<//>`}
        <//>
        ${offset && html`<${Letter} key=${`${partition}:${offset}`} partition=${partition} offset=${offset}
          session=${session}
          onDone=${asked.again} onClose=${close} />`}
      </div>`}<//>`;
}

/** How many there are of each reason; each is a link that shows these alone. */
function Reasons({ counts, reason }) {
  const all = Object.values(counts).reduce((sum, number) => sum + number, 0);
  const most = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const choices = [["", "all", all], ...most.map(([name, number]) => [name, name, number])];
  return html`<nav aria-label="Reasons"><ul class="chips">${choices.map(([value, label, number]) => html`
    <li key=${value}>
    <a href=${linkTo("letters", [], { reason: value })} aria-current=${value === reason ? "true" : undefined}>${label}
      <span class="num">${count(number)}</span></a></li>`)}</ul></nav>`;
}

function Table({ letters, reason, chosen }) {
  return html`<${Scroll} label="Letters" long=${true}><table>
    <thead><tr><th scope="col">Place</th><th scope="col">When</th><th scope="col">Reason</th>
      <th scope="col">Account</th>
      <th scope="col" class="num">Size</th><th scope="col">State</th></tr></thead>
    <tbody>${letters.map((letter) => {
      const where = `${letter.partition}:${letter.offset}`;
      return html`<tr key=${where} class=${where === chosen ? "chosen" : ""}>
        <th scope="row"><a class="mono"
          href=${linkTo("letters", [String(letter.partition), String(letter.offset)], { reason })}>${where}</a></th>
        <td class="nowrap"><${Time} at=${letter.at} /></td>
        <td class="nowrap" title=${letter.detail}>${letter.reason}</td>
        <td class="nowrap">${letter.account ?? letter.key ?? "–"}</td>
        <td class="num nowrap">${bytes(letter.size)}</td>
        <td><${Outcome} kind=${letter.state} /></td></tr>`;
    })}</tbody></table><//>`;
}
