// Plays one client through the cases of test_compat.py, and prints as JSON what it saw: `ws`, or `undici`, which is Node's own.

import { createRequire } from "node:module";

const { url, client, token, pad } = JSON.parse(process.argv[2]);
const require = createRequire(new URL("../../../../clients/javascript/package.json", import.meta.url));
const WebSocket = client === "ws" ? require("ws") : require("undici").WebSocket;

/** A socket, the messages it got, and how it ended. */
function dial() {
  const socket = new WebSocket(`${url}/v1/socket`, ["other", "lockstep.v1"]);
  const made = { socket, frames: [], waiting: () => {} };
  made.opened = new Promise((resolve) => { socket.onopen = resolve; });
  made.closed = new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => { resolve([code, String(reason)]); made.waiting(); };
  });
  socket.onmessage = ({ data }) => { made.frames.push(JSON.parse(data)); made.waiting(); };
  made.until = async (type) => {
    while (!made.frames.some((frame) => frame.type === type)) {
      await new Promise((resolve) => { made.waiting = resolve; });
    }
  };
  return made;
}

async function refused(...data) {
  const { socket, frames, opened, closed } = dial();
  await opened;
  for (const each of data) socket.send(each);
  const end = await closed;
  return [...end, frames.at(-1).error];
}

const hello = JSON.stringify({ type: "hello", token });
const fragments = client === "ws";

async function session() {
  const made = dial();
  await made.opened;
  const { socket, frames } = made;
  if (fragments) { // a ping between the parts of a message is answered at once
    const pong = new Promise((resolve) => { socket.on("pong", (data) => resolve(String(data))); });
    socket.send(hello.slice(0, 7), { fin: false });
    socket.ping("between");
    made.pong = await pong;
    socket.send(hello.slice(7), { fin: true });
  } else {
    socket.send(hello);
  }
  await made.until("sync_end");
  const items = frames.filter(({ type }) => type === "notification").map(({ item }) => item);
  socket.send(JSON.stringify({ type: "ack", cursor: items.at(-1).cursor, codes: { [items[0].id]: "ignored" } }));
  socket.send(JSON.stringify({ type: "ping" }));
  await made.until("pong");
  socket.close(4001, "enough");
  return {
    protocol: socket.protocol, extensions: socket.extensions, pong: made.pong ?? "between",
    sizes: items.map(({ data }) => data.fill.length), closed: await made.closed,
  };
}

const padded = (size) => hello.padEnd(size); // spaces behind an object are JSON
console.log(JSON.stringify({
  session: await session(),
  large: await refused(padded(pad), padded(pad)), // the first is read: a second hello is what is wrong
  tooLarge: await refused(padded(pad + 1)),
  binary: await refused(Buffer.from([0, 1])),
  nonsense: await refused("{"),
  badToken: await refused(JSON.stringify({ type: "hello", token: "x" })),
}));
