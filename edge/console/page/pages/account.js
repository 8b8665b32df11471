// Account: its devices and where they are, its inbox, what became of its last events, and what would become of another.

import { html, useState } from "../html.js";
import { plural } from "../format.js";
import { useAsked } from "../parts/asked.js";
import { Head, Panel, Scroll } from "../parts/layout.js";
import { Asked, Empty } from "../parts/states.js";
import { Outcome, Status } from "../parts/status.js";
import { Place } from "../parts/place.js";
import { Time } from "../parts/time.js";
import { go } from "../router.js";
import { Inbox } from "./inbox.js";
import { Simulate } from "./simulate.js";

/** Said of everything up to an event. */
const RANGES = ["acked", "pulled"];

/** The page: which account, and all of it. */
export function Account({ place, topology }) {
  const [account] = place.parts;
  return html`
    <${Head} title=${account ? `Account ${account}` : "Account"}
      lead="Its devices, its inbox, and what became of its events." />
    <${Choose} key=${account} account=${account ?? ""} />
    ${account ? html`<${Whole} key=${account} account=${account} topology=${topology} />`
      : html`<${Empty} title="No account is chosen">Give the id that producers send as the event's subject.<//>`}`;
}

function Choose({ account }) {
  const [text, setText] = useState(account);
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) go("account", [text.trim()]);
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input type="search" aria-label="Account" placeholder="Account, such as household-7" autocomplete="off"
      spellcheck=${false} value=${text} onInput=${(event) => setText(event.currentTarget.value)} />
    <button class="button primary">Show</button>
  </form>`;
}

function Whole({ account, topology }) {
  const asked = useAsked(`/accounts/${encodeURIComponent(account)}`);
  return html`<${Asked} asked=${asked} what="the account">${({ devices, inbox, outcomes }) => html`
    <${Devices} devices=${devices} again=${asked.again} />
    <${Inbox} inbox=${inbox} devices=${devices} lanes=${topology.lanes} />
    <div class="columns">
      <${Outcomes} outcomes=${outcomes} />
      <${Simulate} account=${account} topology=${topology} />
    </div>`}<//>`;
}

function Devices({ devices, again }) {
  const end = html`<span>${plural(devices.length, "device")}</span>
    <button class="quiet" onClick=${again}>Refresh</button>`;
  return html`<${Panel} title="Devices" flush=${true} end=${end}>
    ${devices.length ? html`<${Scroll} label="Devices"><table>
      <thead><tr><th scope="col">Device</th><th scope="col">Type</th><th scope="col">App</th>
        <th scope="col">Platform</th>
        <th scope="col">Presence</th><th scope="col">Gateway</th><th scope="col" class="num">Epoch</th>
          <th scope="col">Last seen</th></tr></thead>
      <tbody>${devices.map((device) => html`<tr key=${device.id}>
        <th scope="row" class="nowrap">${device.id}</th><td>${device.type}</td><td>${device.app_version}</td><td>
          ${device.platform}</td>
        <td title=${device.presence?.why}>${device.presence?.online ? html`<${Status} tone="ok">online<//>`
          : html`<${Status} tone="none">offline<//>`}</td>
        <td class="mono nowrap">${device.presence?.gateway ?? "–"}</td>
        <td class="num">${device.presence?.epoch ?? "–"}</td>
        <td class="nowrap"><${Time} at=${device.last_seen} /></td>
      </tr>`)}</tbody></table><//>`
    : html`<${Empty} title="No device is registered">Events of this account end as no-target until one registers.<//>`}
  <//>`;
}

function Outcomes({ outcomes }) {
  return html`<${Panel} title="Last outcomes" flush=${true} end=${outcomes.length ? `newest ${outcomes.length}` : ""}>
    ${outcomes.length ? html`<${Scroll} label="Last outcomes" long=${true}><table>
      <thead><tr><th scope="col">When</th><th scope="col">Outcome</th><th scope="col">Device</th>
        <th scope="col">Event</th></tr></thead>
      <tbody>${outcomes.map((outcome, index) => html`<tr key=${index}>
        <td class="nowrap"><${Time} at=${outcome.at} /></td>
        <td title=${outcome.reason}><${Outcome} kind=${outcome.outcome} /></td>
        <td>${outcome.devices.join(", ") || "–"}</td>
        <td class="nowrap"><${Place} at=${outcome.event} />${RANGES.includes(outcome.outcome) && html`${" "}
          <span class="muted">and before, ${outcome.lane}</span>`}</td>
      </tr>`)}</tbody></table><//>`
    : html`<${Empty} title="Nothing was said of this account yet">Outcomes are kept for seven days.<//>`}
  <//>`;
}
