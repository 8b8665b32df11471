// Numbers, durations and moments as people read them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** What stands where a figure is not known. */
export const UNKNOWN = "–";

/** A whole number: `12,480`. */
export function count(value) {
  return value == null ? UNKNOWN : NUMBER.format(value);
}

/** A rate a second: one decimal below ten, compact from 100,000 on. */
export function rate(value) {
  if (value == null) return UNKNOWN;
  if (value === 0) return "0";
  if (value < 10) return value < 0.05 ? "<0.1" : ONE.format(value);
  return value < 100_000 ? NUMBER.format(value) : COMPACT.format(value);
}

/** A duration given in seconds: `12 ms`, `3.4 s`, `5 min 20 s`, `2 d 3 h`. */
export function duration(seconds) {
  if (seconds == null) return UNKNOWN;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1) return `${Math.max(1, Math.round(size * 1000))} ms`;
  if (size < 10) return `${Number(size.toFixed(1))} s`;
  const first = UNITS.findIndex(([unit]) => Math.round(size) >= unit);
  const [unit, name] = UNITS[first];
  const whole = Math.floor(Math.round(size) / unit);
  const next = UNITS[first + 1];
  const rest = next ? Math.floor((Math.round(size) - whole * unit) / next[0]) : 0;
  return rest ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
}

/** Milliseconds as they are: `12 ms`, from a second on as a duration. */
export function milliseconds(value) {
  if (value == null) return UNKNOWN;
  return Math.abs(value) < 1000 ? `${NUMBER.format(value)} ms` : duration(value / 1000);
}

/** A size in bytes. */
export function bytes(value) {
  if (value == null) return UNKNOWN;
  return value < 10_000 ? `${NUMBER.format(value)} B` : `${ONE.format(value / 1024)} KiB`;
}

/** How long ago a moment was, or how far ahead it lies. Moments are ms since 1970. */
export function relative(at, now = Date.now()) {
  const seconds = (now - at) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  const said = rounded(Math.abs(seconds));
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}

function rounded(seconds) {
  const [unit, name] = UNITS.find(([size]) => seconds >= size);
  return `${Math.floor(seconds / unit)} ${name}`;
}

/** A moment in full, in the reader's time zone. */
export function absolute(at) {
  const date = new Date(at);
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const zone = /GMT.*|UTC/.exec(date.toTimeString())?.[0].replace(/ \(.*/, "") ?? "";
  return `${day} ${clock(at)}.${pad(date.getMilliseconds(), 3)} ${zone.replace("GMT+0000", "UTC")}`.trim();
}

/** The time of day of a moment: `10:02:31`. */
export function clock(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A moment as ms since 1970, whether it came so or in RFC 3339; null for none. */
export function moment(value) {
  if (value == null || value === "") return null;
  return typeof value === "number" ? value : Date.parse(value);
}

/** A number of things with its noun: `1 device`, `3 devices`. */
export function plural(number, noun, many = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : many}`;
}

/** A text of the servers with its long times in units that people know: `86400000 ms` becomes `1 d`. */
export function readable(text) {
  return text.replace(/\b(\d{5,}) ms\b/g, (whole, number) => duration(Number(number) / 1000));
}
