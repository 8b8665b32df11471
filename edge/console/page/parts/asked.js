// Something asked of the server while a part of the page is shown.

import { get } from "../api.js";
import { useCallback, useEffect, useState } from "../html.js";

/** `{value, error, busy, again}`: asked anew when path or query change, and by `again()`. A null path asks nothing. */
export function useAsked(path, query = {}) {
  const [state, setState] = useState({ path: null });
  const [turn, setTurn] = useState(0);
  const key = JSON.stringify([path, query]);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    setState((before) => (before.path === path ? { ...before, error: null, busy: true } : { path, busy: true }));
    get(path, query, abort.signal).then(
      (value) => setState({ path, value, busy: false }),
      (error) => error.name === "AbortError" || setState({ path, error, busy: false }),
    );
    return () => abort.abort();
  }, [key, turn]);
  const again = useCallback(() => setTurn((number) => number + 1), []);
  const current = state.path === path ? state : {};
  return { value: current.value, error: current.error, busy: Boolean(current.busy), again };
}

/** What a button does: `[state, run]`, where `run` calls `work` and `state` is `{busy, value, error}`. */
export function useWork(work) {
  const [state, setState] = useState({ busy: false });
  const run = async (...what) => {
    setState({ busy: true });
    try {
      const value = await work(...what);
      setState({ busy: false, value });
      return value;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    }
  };
  return [state, run];
}
