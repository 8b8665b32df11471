// The one place that knows which library draws the page.

/** What `htm` and `preact` call so. */
export {
  html, render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState,
} from "./vendor/htm-preact.js";
