// Signing in with an operator's token.

import { post } from "../api.js";
import { html, useState } from "../html.js";
import { useWork } from "../parts/asked.js";
import { Field } from "../parts/layout.js";
import { Mark } from "../shell.js";

/** `why`: what led here, where it was not the reader's wish. */
export function SignIn({ why, onSession }) {
  const [token, setToken] = useState("");
  const [work, signIn] = useWork(async () => onSession(await post("/session", { token: token.trim() })));
  const said = work.error?.message ?? why;
  const submit = (event) => {
    event.preventDefault();
    signIn();
  };
  return html`<main class="centred">
    <form class="sign-in" onSubmit=${submit}>
      <p class="brand"><${Mark} /> lockstep</p>
      <h1 id="title">Sign in to the console</h1>
      ${said && html`<p class="failed" role="alert">${said}</p>`}
      <${Field} name="token" label="Operator token"
        hint="It is kept by the server for this session, never in this browser.">
        <input id="token" type="password" autocomplete="current-password" required aria-describedby="token-hint"
          value=${token} onInput=${(event) => setToken(event.currentTarget.value)} />
      <//>
      <button class="button primary wide" disabled=${work.busy}>
        ${work.busy ? "Signing in …" : "Sign in"}</button>
      <p class="hint">No token yet? <code>lockstep operator NAME</code> prints one that may look;
        with <code>--write</code> it may change too. <code>make demo</code> prints a link that signs you in.</p>
    </form>
  </main>`;
}
