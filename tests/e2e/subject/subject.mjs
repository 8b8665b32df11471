// Runs the JavaScript client for a test, in Node or in a page, and tells the test by HTTP what it does.

import { Device } from "../../../clients/javascript/lockstep.mjs";

/** Be the device of `options`; `control` is the address of the test. */
export async function play({ control, ...options }) {
  const say = (what) => fetch(`${control}/said`, { method: "POST", body: JSON.stringify(what) });
  const device = new Device({
    ...options,
    token: async () => (await fetch(`${control}/token`)).text(),
    cursors: {
      load: async () => (await fetch(`${control}/cursor`)).text(),
      save: async (cursor) => { await fetch(`${control}/cursor`, { method: "POST", body: cursor }); },
    },
    resync: options.resync ? async () => { await say({ type: "resync" }); } : null,
    watch: (frame) => { if (frame.type !== "notification") say(frame); },
  });
  try {
    await device.run(async (item) => {
      const { stop, code } = await (await say({ type: "item", item })).json();
      if (stop) device.stop();
      return code;
    });
    await say({ type: "ended", error: "", repeats: device.repeats });
  } catch (error) {
    await say({ type: "ended", error: `${error.name}: ${error.message}`, repeats: device.repeats });
  }
}
