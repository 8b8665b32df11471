// A device of lockstep, in browsers and in Node 18 or later, without dependencies: docs/devices.md in code.

/** Seconds, and numbers of things. */
const FIRST_PAUSE = 1; // the first pause, at most
const MOST_PAUSE = 30;
const ACK = 0.1; // what was taken is acked after so long, or once it is half a window
const WELCOME = 15; // an edge that says nothing for so long after the hello is not there
const LATE = 5; // an edge that was silent for so long beyond its `ping` is asked whether it is there
const ANSWER = 20;
const WAIT = 25; // of a long poll
const LIMIT = 100; // items of a page
const UNSAID = 30; // until the next pull after 304 of an edge of an earlier release, which does not say
const FAILURES = 3; // so many sockets in a row must fail before their welcome until the device polls instead
const FIRST_POLLING = 5; // then for so long until it tries a socket again, each time twice as long
const MOST_POLLING = 300;
const REMEMBERED = 1000; // ids
const MOST_QUEUED = 1000; // frames that wait to be taken: the edge keeps the rest
const POSITION = 16; // characters of an id that are its position

/** What `take` may return: what the application did with an item. Without a word it counts as handled. */
export const CODES = ["handled", "ignored", "failed"];

const PROBLEM = "urn:lockstep:problem:";
const AGAIN = "again", RENEW = "renew", REGISTER = "register", RESYNC = "resync", NOTHING = "nothing";
const CURE_BY_NAME = new Map([
  ["bad-token", RENEW], ["unknown-device", REGISTER], ["resync-required", RESYNC], ["malformed-cursor", RESYNC],
  ["hello-timeout", AGAIN],
]);
/** Close codes, where the error message was lost with the connection. */
const CURE_BY_CODE = new Map([
  [1002, NOTHING], [1003, NOTHING], [1007, NOTHING], [1009, NOTHING],
  [4401, RENEW], [4404, REGISTER], [4408, AGAIN], [4429, AGAIN], [4410, RESYNC],
]);

/** The edge answered with a problem. `retryAfter`: s after which it may go better, 0 where it does not say. */
export class Refused extends Error {
  constructor(status, problem, retryAfter = 0) {
    super(`${status} ${problem.type ?? ""}: ${problem.detail ?? problem.title ?? ""}`);
    this.name = "Refused";
    Object.assign(this, { status, problem, retryAfter });
  }

  /** What lets the next try succeed. An answer that is not lockstep's own may be another one later. */
  get cure() {
    const type = String(this.problem.type ?? "");
    const later = [408, 429].includes(this.status) || this.status >= 500 || !type.startsWith(PROBLEM);
    return CURE_BY_NAME.get(type.slice(PROBLEM.length)) ?? (later ? AGAIN : NOTHING);
  }
}

/** The socket ended; `code` is the close code, `error` the message that came before it, if any. */
export class Closed extends Error {
  constructor(code, error = {}, retryAfter = 0) {
    super(`closed with ${code} ${error.error ?? ""} ${error.detail ?? ""}`.trimEnd());
    this.name = "Closed";
    Object.assign(this, { code, error, retryAfter });
  }

  /** What lets the next try succeed: 4400 to 4499 want something else, 4500 and above the same again later. */
  get cure() {
    const byCode = CURE_BY_CODE.get(this.code) ?? (this.code >= 4400 && this.code < 4500 ? NOTHING : AGAIN);
    return CURE_BY_NAME.get(this.error.error) ?? byCode;
  }
}

/** The edge was not reached, or what answered is not the edge; the cause says more. */
export class Unreachable extends Error {
  constructor(what, cause) {
    super(`${what}: ${cause?.message ?? cause}`, { cause });
    this.name = "Unreachable";
    this.cure = AGAIN;
    this.retryAfter = 0;
  }
}

/** An item at or below the position of its lane is a repeat, and so is one whose id was seen before. */
export class Seen {
  repeats = 0;
  #positions = new Map();
  #ids = new Set();

  /** Whether to show the item; repeats are counted. */
  isNew({ lane, id }) {
    const position = id.slice(0, POSITION); // fixed in width: as texts they compare as the positions do
    if (position <= (this.#positions.get(lane) ?? "") || this.#ids.has(id)) {
      this.repeats++;
      return false;
    }
    this.#positions.set(lane, position);
    this.#ids.add(id);
    if (this.#ids.size > REMEMBERED) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/** Pauses that may be twice as long each time, of which a random part is waited: full jitter. */
export class Backoff {
  #longest = FIRST_PAUSE;
  #chance;

  constructor(chance = Math.random) {
    this.#chance = chance;
  }

  next() {
    const longest = this.#longest;
    this.#longest = Math.min(MOST_PAUSE, 2 * longest);
    return this.#chance() * longest;
  }

  reset() {
    this.#longest = FIRST_PAUSE;
  }
}

/** Keeps the cursor of a device in `localStorage`, or in anything with `getItem` and `setItem`. */
export function storedCursors(device, storage = globalThis.localStorage) {
  const key = `lockstep-cursor-${device}`;
  return { load: () => storage.getItem(key) ?? "", save: (cursor) => storage.setItem(key, cursor) };
}

/** Keeps it for as long as the process, or the page, lives. */
function heldCursors() {
  let held = "";
  return { load: () => held, save: (cursor) => { held = cursor; } };
}

/** A socket whose frames wait in a queue until they are asked for. */
class Socket {
  #socket;
  #queue = [];
  #end = null; // why no more come
  #error = {};
  #ready = () => {};

  constructor(WebSocket, base, hello) {
    try {
      this.#socket = new WebSocket(`${base.replace(/^http/, "ws")}/v1/socket`, ["lockstep.v1"]);
    } catch (error) {
      throw new Unreachable("no socket", error);
    }
    this.#socket.onopen = () => this.send(hello);
    this.#socket.onmessage = ({ data }) => this.#come(data);
    this.#socket.onclose = ({ code }) => this.#over(new Closed(code, this.#error));
    this.#socket.onerror = () => this.#over(new Closed(1006, this.#error), 1000); // a close need not follow
  }

  /** The next frame, null after so many seconds without one or a `wake`. Throws Closed once all were read. */
  async receive(seconds) {
    if (!this.#queue.length && !this.#end) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        this.#ready = () => { clearTimeout(timer); resolve(); };
      });
      this.#ready = () => {};
    }
    if (this.#queue.length) return this.#queue.shift();
    if (this.#end) throw this.#end;
    return null;
  }

  wake() {
    this.#ready();
  }

  /** Of no effect where the socket is closed: the cursor of the next hello says the same as an ack. */
  send(message) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#end ??= new Closed(1000);
    this.#socket.close(1000);
  }

  #come(data) {
    if (this.#end) return;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch (error) {
      return this.#give(new Unreachable("no JSON", error));
    }
    if (frame.type === "error") return void (this.#error = frame); // the close comes next
    this.#queue.push(frame);
    if (this.#queue.length > MOST_QUEUED) return this.#give(new Closed(1000, { error: "too slow" }));
    this.#ready();
  }

  #give(up) {
    this.#over(up);
    this.#socket.close(1000);
  }

  #over(why, delay = 0) {
    if (delay) return void setTimeout(() => this.#over(why), delay);
    this.#end ??= why;
    this.#ready();
  }
}

/** One device of an account. */
export class Device {
  #options;
  #take;
  #cursor = "";
  #seen = new Seen();
  #token = "";
  #registered = false;
  #stopped = true;
  #wake = () => {}; // ends what is being waited for
  #backoff = new Backoff();
  #cures = new Set(); // tried since it last went well
  #welcomed = 0; // ms, 0 while there was no welcome on this connection
  #failures = 0;
  #polling = 0;
  #tag = ""; // of the last page
  #unacked = 0;
  #codes = {}; // to be told with the next ack
  #silence = WELCOME;
  #window = 1;

  /**
   * @param options
   *   url         the edge, as `https://host`
   *   device      id of the device
   *   type        its type, such as `tv`
   *   appVersion  version of its app, such as `2.0`
   *   token       a text, or a function that gives one or a promise of one: asked for the first, and for another when a
   *               connection has lived its time or a token is refused
   *   cursors     keeps the place between two lives: `load()` and `save(cursor)`, both may be async
   *   resync      loads the whole state where more was missed than is kept; without it such a device stops
   *   watch       is told what goes on: the frames of the edge, and `{type: "retrying", why, after}`
   *   ack         false: take what comes and say nothing
   *   WebSocket   the constructor, where there is none by that name (Node 18 to 21: that of the package `ws`)
   */
  constructor(options) {
    this.#options = {
      cursors: heldCursors(), resync: null, watch: () => {}, ack: true, WebSocket: globalThis.WebSocket, ...options,
      url: options.url.replace(/\/+$/, ""),
    };
    if (!this.#options.WebSocket) throw new TypeError("no WebSocket here: give the constructor of a library");
  }

  /** Items that came again and were not shown. */
  get repeats() {
    return this.#seen.repeats;
  }

  /**
   * Give each item to `take`, once, and those of a lane in order, until `stop`. An item counts as taken when `take` has
   * returned, or its promise is kept; what it gives may be one of CODES, which the edge is told too.
   * Throws Refused or Closed where no other try helps, and what `take` or `resync` throw.
   */
  async run(take) {
    if (!this.#stopped) throw new Error("the device is on already");
    this.#take = take;
    this.#stopped = false;
    try {
      this.#cursor = (await this.#options.cursors.load()) ?? "";
      this.#seen = new Seen();
      while (!this.#stopped) {
        const error = await this.#turn();
        if (error && !this.#stopped) await this.#sleep(await this.#mend(error));
      }
    } finally {
      this.#stopped = true;
    }
  }

  /** End `run` after the item in hand. */
  stop() {
    this.#stopped = true;
    this.#wake();
  }

  // -- one connection after the other

  /** Be connected for as long as it lasts; why it ended, null after a stop. */
  async #turn() {
    try {
      await this.#prepare();
      if (this.#failures >= FAILURES) await this.#poll();
      if (!this.#stopped) await this.#hold();
    } catch (error) {
      if (error instanceof Refused || error instanceof Closed || error instanceof Unreachable) return error;
      throw error;
    }
    return null;
  }

  async #prepare() {
    const { token, type, appVersion, cursors } = this.#options;
    try {
      this.#token ||= typeof token === "function" ? await token() : token;
    } catch (error) {
      throw new Unreachable("no token", error);
    }
    if (this.#registered) return;
    const { cursor } = await this.#request("PUT", "", { type, app_version: appVersion, platform: "socket" });
    this.#registered = true;
    this.#cursor ||= cursor;
    await cursors.save(this.#cursor);
  }

  async #hold() {
    this.#welcomed = this.#unacked = 0;
    this.#failures++;
    const hello = { type: "hello", token: this.#token, cursor: this.#cursor };
    const socket = new Socket(this.#options.WebSocket, this.#options.url, hello);
    this.#wake = () => socket.wake();
    try {
      const first = await socket.receive(WELCOME);
      if (!first && !this.#stopped) throw new Closed(1006, { error: "no welcome" });
      if (first) await this.#frame(first);
      while (!this.#stopped) {
        const frame = await this.#next(socket);
        if (frame) await this.#frame(frame);
      }
    } finally {
      this.#wake = () => {};
      this.#tell(socket);
      socket.close();
    }
  }

  /** The next frame, null after a stop. Meanwhile what was taken is acked, and a silent edge asked whether it is there. */
  async #next(socket) {
    if (this.#unacked > 0 && this.#unacked < this.#window / 2) {
      const soon = await socket.receive(ACK);
      if (soon) return soon;
    }
    this.#tell(socket);
    const frame = await socket.receive(this.#silence);
    if (frame || this.#stopped) return frame;
    socket.send({ type: "ping" });
    const answer = await socket.receive(this.#silence);
    if (!answer && !this.#stopped) throw new Closed(1006, { error: "silence" });
    return answer;
  }

  #tell(socket) {
    if (this.#unacked && this.#options.ack) socket.send({ type: "ack", ...this.#ack() });
    this.#unacked = 0;
  }

  /** What is said of all that was taken since the last time. */
  #ack() {
    const codes = this.#codes;
    this.#codes = {};
    return Object.keys(codes).length ? { cursor: this.#cursor, codes } : { cursor: this.#cursor };
  }

  async #frame(frame) {
    if (frame.type === "notification") {
      if (this.#seen.isNew(frame.item)) await this.#took(frame.item);
      return;
    }
    this.#options.watch(frame);
    if (frame.type === "welcome") {
      this.#silence = frame.ping + LATE;
      this.#window = frame.window;
      this.#welcomed = Date.now();
      this.#failures = this.#polling = 0;
      this.#cures.clear();
    } else if (frame.type === "sync_end") {
      await this.#keep(frame.cursor);
    } else if (frame.type === "goaway") {
      // an ending token announces itself as a lifetime too
      if (frame.reason === "lifetime" && typeof this.#options.token === "function") this.#token = "";
      throw new Closed(1001, { error: "going-away", detail: frame.reason }, frame.reconnect_after);
    }
  }

  async #took(item) {
    this.#options.watch({ type: "notification", item });
    const code = await this.#take(item);
    if (CODES.includes(code) && this.#options.ack) this.#codes[item.id] = code;
    await this.#keep(item.cursor);
    this.#unacked++;
  }

  async #keep(cursor) {
    this.#cursor = cursor;
    await this.#options.cursors.save(cursor);
  }

  // -- where no socket can be had

  /** Pull until it is time to try a socket again, which is later each time. */
  async #poll() {
    const end = Date.now() + this.#polling * 1000;
    const left = () => (end - Date.now()) / 1000;
    for (let more = true; !this.#stopped && (more || left() > 0);) {
      const wait = Math.max(0, Math.min(WAIT, Math.floor(left())));
      const query = new URLSearchParams({ cursor: this.#cursor, limit: LIMIT, wait });
      const page = await this.#request("GET", `/notifications?${query}`, undefined, wait);
      if (this.#stopped) return;
      await this.#page(page);
      this.#cures.clear();
      this.#backoff.reset();
      more = page.more;
      if (!more) await this.#sleep(Math.max(0, Math.min(page.poll_after, left())));
    }
    this.#polling = Math.min(MOST_POLLING, Math.max(FIRST_POLLING, 2 * this.#polling));
  }

  async #page({ items, next_cursor: next }) {
    let taken = 0;
    for (const item of items) {
      if (this.#stopped) break;
      if (!this.#seen.isNew(item)) continue;
      await this.#took(item);
      taken++;
    }
    if (!this.#stopped) await this.#keep(next);
    if (taken && this.#options.ack) await this.#request("POST", "/acks", this.#ack());
  }

  /** The answer; {} where there is none. Throws Refused and Unreachable. A `stop` ends what waits. */
  async #request(method, path, body = undefined, wait = 0) {
    const { url, device } = this.#options;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), (wait + ANSWER) * 1000);
    if (wait) this.#wake = () => abort.abort();
    let response, answer;
    try {
      const headers = { Authorization: `Bearer ${this.#token}` };
      if (body !== undefined) headers["Content-Type"] = "application/json";
      if (method === "GET" && this.#tag) headers["If-None-Match"] = this.#tag;
      const text = body === undefined ? undefined : JSON.stringify(body);
      const address = `${url}/v1/devices/${encodeURIComponent(device)}${path}`;
      response = await fetch(address, { method, headers, body: text, cache: "no-store", signal: abort.signal });
      const said = await response.text();
      answer = said ? JSON.parse(said) : {};
    } catch (error) {
      if (this.#stopped && wait) return {};
      if (!response?.ok && response) throw new Refused(response.status, {});
      throw new Unreachable("the edge was not reached", error);
    } finally {
      clearTimeout(timer);
      this.#wake = () => {};
    }
    if (method === "GET" && (response.ok || response.status === 304)) this.#tag = response.headers.get("ETag") ?? "";
    if (response.status === 304) {
      const after = response.headers.get("Poll-After") ?? UNSAID;
      return { items: [], next_cursor: this.#cursor, more: false, poll_after: Number(after) };
    }
    if (!response.ok) throw new Refused(response.status, answer, Number(response.headers.get("Retry-After")) || 0);
    return answer;
  }

  async #sleep(seconds) {
    if (!this.#stopped) await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
    this.#wake = () => {};
  }

  // -- after an error

  /** Do what lets the next try succeed; seconds to wait for it. Throws the error where nothing does. */
  async #mend(error) {
    const again = this.#cures.has(error.cure);
    if (this.#isFinal(error.cure, again)) throw error;
    this.#cures.add(error.cure);
    if (this.#welcomed && Date.now() - this.#welcomed > MOST_PAUSE * 1000) this.#backoff.reset();
    if (error.cure === RENEW) this.#token = "";
    if (error.cure === REGISTER) this.#registered = false;
    if (error.cure === RESYNC) {
      await this.#options.resync();
      await this.#keep("");
    }
    const after = error.retryAfter + (again || error.cure === AGAIN ? this.#backoff.next() : 0);
    this.#options.watch({ type: "retrying", why: error.message, after });
    return after;
  }

  /** Whether the cure is none, is not at hand, or did not help. */
  #isFinal(cure, again) {
    if (cure === RENEW) return again || typeof this.#options.token !== "function";
    if (cure === RESYNC) return !this.#options.resync;
    return cure === NOTHING;
  }
}
