// Devices to play with: televisions and phones in the page, held by the real client of JavaScript.

import { html, useState } from "../html.js";
import { Field, Head, Panel } from "../parts/layout.js";
import { Empty } from "../parts/states.js";
import { add, useDevices } from "../virtual.js";
import { DeviceCard } from "./play-device.js";
import { Send } from "./play-send.js";

/** Held beside the page: it is there when the reader comes back. */
const kept = { account: "household-play" };

/** The page: a household, what is published, and its devices. */
export function Play({ topology, session }) {
  const [account, setAccount] = useState(kept.account);
  const devices = useDevices();
  kept.account = account;
  if (topology.play === false) return html`<${Head} title="Devices to play with" /><${Closed} />`;
  if (!session.may.includes("write")) return html`<${Head} title="Devices to play with" /><${NotAllowed} />`;
  return html`
    <${Head} title="Devices to play with"
      lead="Real clients in this page. Switch them off and on, publish, and watch what is pushed, merged, or kept." />
    <div class="columns play-tools">
      <${Panel} title="Household">
        <${Field} name="play-account" label="Account" hint="New devices belong to it, and events are about it.">
          <input id="play-account" value=${account} autocomplete="off" spellcheck=${false}
            aria-describedby="play-account-hint"
            onInput=${(event) => setAccount(event.currentTarget.value)} /><//>
        <div class="buttons" role="group" aria-label="Add a device">${topology.device_types.map((type) => html`
          <button key=${type}
          class="button" disabled=${!account.trim()}
            onClick=${() => add(account.trim(), type, topology.edge.http)}>Add ${type}</button>`)}</div>
      <//>
      <${Send} account=${account.trim()} topology=${topology} />
    </div>
    ${devices.length ? html`<ul class="devices" aria-label="Devices">${devices.map((device) => html`
      <li key=${device.key}>
        <${DeviceCard} device=${device} /></li>`)}</ul>`
      : html`<${Empty}
        title="No device yet">Add a television and a phone, publish a plan change, and see it on both. Then switch
        one off, publish again, and switch it on.<//>`}`;
}

function Closed() {
  return html`<${Empty} title="Not here">Virtual devices need a signing key for development, which this console has not.
    <code>make demo</code> has one.<//>`;
}

function NotAllowed() {
  return html`
    <${Empty} title="You may only look">Playing registers devices and publishes events, so it needs
    ${" "}the right <code>write</code>.<//>`;
}
