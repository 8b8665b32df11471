// One virtual device: its switch, its connection, what came.

import { html } from "../html.js";
import { count } from "../format.js";
import { Status } from "../parts/status.js";
import { Time } from "../parts/time.js";
import { drop, switchOff, switchOn } from "../virtual.js";

/** `device`: of `useDevices`. */
export function DeviceCard({ device }) {
  const tone = device.live ? "ok" : device.error ? "bad" : device.on ? "warn" : "none";
  const flip = () => (device.on ? switchOff(device) : switchOn(device));
  return html`<article class="device device-${device.type} ${device.on ? "on" : "off"}"
    aria-label="${device.id} of ${device.account}">
    <header class="device-head">
      <div><h3>${device.id}</h3><p class="small muted">${device.account}</p></div>
      <button class="switch" role="switch" aria-checked=${device.on} aria-label="${device.id} on" onClick=${flip}>
        <span></span></button>
    </header>
    <p class="device-state"><${Status} tone=${tone}>${device.error?.message ?? device.state}<//></p>
    <div class="screen" tabindex="0" role="region" aria-label="What came to ${device.id}">
      ${device.items.length ? html`<ol>${device.items.map((item) => html`<${Item} key=${item.id}
        item=${item} />`)}</ol>`
        : html`<p class="screen-empty">${device.on ? "Nothing came yet" : "Off"}</p>`}
    </div>
    <footer class="device-foot">
      <span><strong>${count(device.pushes)}</strong> pushed</span><span><strong>
        ${count(device.pulls)}</strong> from inbox</span>
      <span><strong>${count(device.merged)}</strong> merged in</span>
      <button class="quiet" aria-label="Remove ${device.id}" onClick=${() => drop(device)}>Remove</button>
    </footer>
  </article>`;
}

function Item({ item }) {
  return html`<li class="item">
    <p class="item-head"><span class="item-type">${item.type}</span><${Time} at=${item.came} /></p>
    <p class="item-tags"><span class="tag ${item.how}">${item.how === "push" ? "pushed" : "from inbox"}</span>
      <span class="tag">${item.lane}</span>
      ${item.events.length > 1 && html`<span class="tag merged">${item.events.length} merged</span>`}</p>
    ${item.data != null && html`<code class="item-data">${JSON.stringify(item.data)}</code>`}
  </li>`;
}
