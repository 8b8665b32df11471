// Event: found by its id, or by its account or device; then what every gate and every device said of it.

import { html, useEffect, useRef, useState } from "../html.js";
import { absolute, count, relative } from "../format.js";
import { useAsked } from "../parts/asked.js";
import { Head, Panel, Scroll } from "../parts/layout.js";
import { Asked, Empty } from "../parts/states.js";
import { Status } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { go, linkTo } from "../router.js";
import { EventStory } from "./event-story.js";

const PLACE = /^(\d{1,9}):(\d{1,18})$/;

/** The page: what was found, or one event. */
export function EventPage({ place, session }) {
  const [partition, offset] = place.parts;
  const query = place.query.q ?? "";
  const asked = query || (offset ? `${partition}:${offset}` : "");
  return html`
    <${Head} title="Event"
      lead="Why did this device get it, or not? Search by the id of an event, an account or a device." />
    <${Search} key=${asked} query=${asked} />
    ${offset ? html`<${EventStory} key=${`${partition}:${offset}`} partition=${partition} offset=${offset}
      session=${session} />`
      : html`<${Hits} key=${query} query=${query} />`}`;
}

function Search({ query }) {
  const [text, setText] = useState(query);
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const submit = (event) => {
    event.preventDefault();
    const place = PLACE.exec(text.trim());
    if (place) go("event", place.slice(1));
    else go("event", [], { q: text.trim() });
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input ref=${field} type="search" aria-label="Id of an event, account or device, or partition:offset"
      placeholder="Event, account or device id, or partition:offset" autocomplete="off" spellcheck=${false}
      value=${text} onInput=${(event) => setText(event.currentTarget.value)} />
    <button class="button primary">Search</button>
  </form>`;
}

function Hits({ query }) {
  const asked = useAsked(query ? "/search" : null, { q: query });
  if (!query) {
    return html`<${Empty} title="Nothing is searched for yet">
      Take the id from a producer's log, from a device, or from the answer of <code>lockstep send</code>.<//>`;
  }
  return html`<${Asked} asked=${asked} what="what was found">${({ hits, index, whole }) => html`
    <${Panel} title="Found" flush=${true} end=${html`<${Reach} index=${index} />`}>
      ${hits.length ? html`<${Table} hits=${hits} />${!whole && html`
        <p class="aside">There may be more: the search stopped after a second.</p>`}` : html`
          <${Empty} title="Nothing has this id">
        Ids must be whole. What is older than the index, or not indexed yet, is found by its partition:offset.<//>`}
    <//>`}<//>`;
}

function Reach({ index }) {
  if (!index || index.to == null) return html`<span>The index is empty so far.</span>`;
  if (index.trouble) return html`<${Status} tone="warn">${index.trouble}<//>`;
  const span = relative(index.from).replace(" ago", "");
  return html`<span title="${absolute(index.from)} to ${absolute(index.to)}">Index: last ${span}, ${
    index.behind ? `${count(index.behind)} records behind` : "up to date"}</span>`;
}

function Table({ hits }) {
  return html`<${Scroll} label="What was found"><table>
    <thead><tr><th scope="col">Kind</th><th scope="col">Id</th><th scope="col">Account</th><th scope="col">When</th>
      </tr></thead>
    <tbody>${hits.map((hit) => html`<tr key=${`${hit.kind}-${hit.id}-${hit.partition}-${hit.offset}`}>
      <td><span class="tag">${hit.kind}</span></td>
      <td><a class="mono" href=${destination(hit)}>${hit.id}</a>${hit.type && html`${" "}<span class="muted">
        ${hit.type}</span>`}</td>
      <td><a href=${linkTo("account", [hit.account])}>${hit.account}</a></td>
      <td class="nowrap"><${Time} at=${hit.at} /></td>
    </tr>`)}</tbody></table><//>`;
}

function destination(hit) {
  if (hit.kind !== "event") return linkTo("account", [hit.account]);
  return linkTo("event", [String(hit.partition), String(hit.offset)]);
}
