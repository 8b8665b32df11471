// Virtual devices: the real client of JavaScript, one for each. They go on while another page is shown.

import { post } from "./api.js";
import { useEffect, useState } from "./html.js";
import { Device } from "./lockstep.mjs";

/** Items that a device shows. */
const SHOWN = 30;

const devices = new Map();
const listeners = new Set();

/**
 * All virtual devices; whoever asks is drawn again when one changes. Of each: `on`, `live` and `state` say how it is
 * connected, `error` what ended it, `items` what came last, and `pushes`, `pulls` and `merged` count what came.
 */
export function useDevices() {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const show = () => setTurn((turn) => turn + 1);
    listeners.add(show);
    return () => listeners.delete(show);
  }, []);
  return [...devices.values()];
}

/** Add a device of this type to the account, and switch it on. `url`: the edge. */
export function add(account, type, url) {
  let number = 1;
  while (devices.has(`${account}/${type}-${number}`)) number++;
  const device = {
    key: `${account}/${type}-${number}`, id: `${type}-${number}`, type, account, url, cursor: "",
    on: false, live: false, state: "off", items: [], pushes: 0, pulls: 0, merged: 0, error: null,
  };
  devices.set(device.key, device);
  switchOn(device);
}

/** Forget a device in this page; lockstep keeps its registration. */
export function drop(device) {
  switchOff(device);
  devices.delete(device.key);
  changed();
}

/** Switch a device on: it registers, catches up from where it was, and is live. */
export function switchOn(device) {
  const client = new Device({
    url: device.url, device: device.id, type: device.type, appVersion: "2.0", token: () => tokenOf(device),
    cursors: { load: () => device.cursor, save: (cursor) => void (device.cursor = cursor) },
    resync: () => {}, watch: (frame) => client === device.client && watch(device, frame),
  });
  Object.assign(device, { client, on: true, live: false, state: "connecting", error: null });
  changed();
  client.run((item) => take(device, item)).catch((error) => {
    if (client === device.client) Object.assign(device, { on: false, live: false, state: "ended", error });
    changed();
  });
}

/** Switch a device off: what comes meanwhile waits in the inbox. */
export function switchOff(device) {
  device.client?.stop();
  Object.assign(device, { client: null, on: false, live: false, state: "off" });
  changed();
}

/** Switch all off, where nobody is signed in any more. */
export function dropAll() {
  for (const device of [...devices.values()]) drop(device);
}

async function tokenOf({ account, id, type }) {
  return (await post("/play/token", { account, device: id, type })).token;
}

function watch(device, frame) {
  if (frame.type === "welcome" || frame.type === "sync") Object.assign(device, { live: false, state: "catching up" });
  if (frame.type === "sync_end") Object.assign(device, { live: true, state: "live" });
  if (frame.type === "goaway") Object.assign(device, { live: false, state: "moving to another gateway" });
  if (frame.type === "retrying") Object.assign(device, { live: false, state: `trying again: ${frame.why}` });
  if (frame.type !== "notification") changed();
}

/** What came while it was live was pushed; what came before was kept for it in the inbox. */
function take(device, item) {
  const how = device.live ? "push" : "inbox";
  device.items = [{ ...item, how, came: Date.now() }, ...device.items].slice(0, SHOWN);
  if (how === "push") device.pushes++;
  else device.pulls++;
  if (item.events.length > 1) device.merged += item.events.length - 1;
  changed();
  return "handled";
}

function changed() {
  for (const show of listeners) show();
}
