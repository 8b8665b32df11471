// Where the reader is: the fragment of the address, as `#/event/3/128?q=tv`.

import { useEffect, useMemo, useState } from "./html.js";

/** The place that a fragment names: its page, the parts behind it, and its query. */
export function placeOf(fragment) {
  const [path, query = ""] = fragment.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...parts] = path.split("/").map(decoded);
  return { page, parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The fragment of a place; what is empty of the query is left out. */
export function linkTo(page, parts = [], query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  const path = [page, ...parts.map(encodeURIComponent)].join("/");
  return `#/${path}${asked.size ? `?${asked}` : ""}`;
}

/** Go there. */
export function go(page, parts = [], query = {}) {
  location.hash = linkTo(page, parts, query);
}

/** The place of now; whoever asks is drawn again when it changes. */
export function usePlace() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const moved = () => setHash(location.hash);
    addEventListener("hashchange", moved);
    moved(); // what happened since the first drawing
    return () => removeEventListener("hashchange", moved);
  }, []);
  return useMemo(() => placeOf(hash), [hash]);
}

/** The operator's token that a link brought, "" for none; it leaves the address and the history at once. */
export function takeToken() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return "";
  history.replaceState(null, "", `${location.pathname}${location.search}#/flow`);
  return decoded(match[1]);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
