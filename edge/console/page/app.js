// Who is signed in, and which page is shown to them.

import { ApiError, get, post, remove, useSession, whenOver } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Account } from "./pages/account.js";
import { DeadLetters } from "./pages/dead-letters.js";
import { EventPage } from "./pages/event.js";
import { Flow } from "./pages/flow.js";
import { Play } from "./pages/play.js";
import { SignIn } from "./pages/sign-in.js";
import { WhatIf } from "./pages/what-if.js";
import { Failed, Loading } from "./parts/states.js";
import { usePlace } from "./router.js";
import { Shell } from "./shell.js";
import { dropAll } from "./virtual.js";

const PAGES = { flow: Flow, event: EventPage, account: Account, play: Play, letters: DeadLetters, "what-if": WhatIf };
/** The server has so long to end a session; then nobody is signed in here all the same. */
const SIGN_OUT_MS = 3000;
const STILL_OPEN = "The server did not end your session. Load this page again once it answers, and sign out there.";

/** The whole page. `token`: an operator's that a link brought, or "". */
export function App({ token }) {
  const [session, setSession] = useState(undefined); // null: nobody is signed in
  const [why, setWhy] = useState("");
  const begin = (found) => {
    useSession(found.csrf);
    setSession(found);
  };
  useEffect(() => {
    whenOver(() => {
      dropAll();
      setWhy("Your session has ended. Sign in again to go on.");
      setSession(null);
    });
    const asked = token ? post("/session", { token }) : get("/session");
    asked.then(begin, (error) => {
      if (token || error.status !== 401) setWhy(error.message);
      setSession(null);
    });
  }, []);
  if (session === undefined) return html`<main class="centred"><${Loading} what="the console" /></main>`;
  if (session === null) return html`<${SignIn} why=${why} onSession=${begin} />`;
  const end = async () => {
    dropAll();
    const error = await remove("/session", AbortSignal.timeout(SIGN_OUT_MS)).catch((failed) => failed);
    setWhy(error instanceof ApiError && error.status !== 401 ? STILL_OPEN : "");
    setSession(null);
  };
  return html`<${SignedIn} session=${session} onEnd=${end} />`;
}

function SignedIn({ session, onEnd }) {
  const place = usePlace();
  const [topology, setTopology] = useState({});
  const ask = () => get("/topology").then((value) => setTopology({ value }), (error) => setTopology({ error }));
  useEffect(() => void ask(), []);
  const name = PAGES[place.page] ? place.page : "flow";
  useFocusOnMove(name);
  const Page = PAGES[name];
  return html`<${Shell} page=${name} session=${session} onEnd=${onEnd}>
    ${topology.error && html`<${Failed} error=${topology.error} retry=${ask} />`}
    ${!topology.error && !topology.value && html`<${Loading} what="the topology" />`}
    ${topology.value && html`<${Page} key=${name} place=${place} topology=${topology.value} session=${session} />`}
  <//>`;
}

/** After a move to another page its heading has the focus, so that a screen reader says where the reader is. */
function useFocusOnMove(name) {
  const first = useRef(true);
  useEffect(() => {
    const heading = document.getElementById("title");
    if (heading) document.title = `${heading.textContent} · lockstep console`;
    if (!first.current) heading?.focus();
    first.current = false;
  }, [name]);
}
