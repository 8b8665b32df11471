// What the pipeline does now: one sample a second while somebody looks, and the last minutes of it.

import { get } from "./api.js";
import { useEffect, useState } from "./html.js";
import { keyOf } from "./topology.js";

/** So many samples are kept, one a second. */
export const KEPT = 300;

const histories = new Map();
const listeners = new Set();
let source = null;
let state = { sample: null, connected: false };

/** `{sample, connected}`, drawn again with each sample. The stream is open while a part that uses it is shown. */
export function useFlow() {
  const [shown, setShown] = useState(state);
  useEffect(() => {
    listeners.add(setShown);
    follow();
    return () => {
      listeners.delete(setShown);
      follow();
    };
  }, []);
  return shown;
}

/** The figures of a row of the pipeline in a sample, added up over its keys; null where none is known. */
export function figuresOf(sample, row) {
  const found = sample ? sample.workers.filter((worker) => row.keys.has(keyOf(worker))) : [];
  return found.length ? added(found) : null;
}

/** `[times in s, rates, oldest ages, lags]` of a row's last minutes. */
export function historyOf(row) {
  return histories.get(row.id) ?? [[], [], [], []];
}

/** Keep a row's figures of this sample. */
export function remember(row, sample) {
  const history = historyOf(row);
  if (history[0].at(-1) === sample.at / 1000) return;
  const figures = figuresOf(sample, row);
  const point = [sample.at / 1000, figures?.rate ?? null, figures?.age ?? null, figures?.lag ?? null];
  histories.set(row.id, history.map((values, index) => [...values.slice(1 - KEPT), point[index]]));
}

function added(found) {
  const drops = {};
  for (const { drops: each = {} } of found) {
    for (const [reason, perSecond] of Object.entries(each)) drops[reason] = (drops[reason] ?? 0) + perSecond;
  }
  return {
    up: found.every((figures) => figures.up), drops,
    rate: total(found, "rate"), lag: total(found, "lag"), age: most(found, "oldest_age_s"),
  };
}

function total(found, name) {
  const known = found.map((figures) => figures[name]).filter((value) => value != null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
}

function most(found, name) {
  const known = found.map((figures) => figures[name]).filter((value) => value != null);
  return known.length ? Math.max(...known) : null;
}

function tell(change) {
  state = { ...state, ...change };
  for (const show of listeners) show(state);
}

/** Open or close the stream: nobody watches a page that is not seen. */
function follow() {
  const wanted = listeners.size > 0 && !document.hidden;
  if (wanted && !source) {
    source = new EventSource("api/v1/flow/stream");
    source.onmessage = ({ data }) => tell({ sample: JSON.parse(data), connected: true });
    source.onerror = lost;
  } else if (!wanted && source) {
    source.close();
    source = null;
  }
}

/** It opens again by itself, unless it was refused: then the session may be over, which another answer will say. */
function lost() {
  tell({ connected: false });
  if (source?.readyState !== EventSource.CLOSED) return;
  source = null;
  get("/topology").then(() => setTimeout(follow, 3000), () => setTimeout(follow, 10_000));
}

document.addEventListener("visibilitychange", follow);
