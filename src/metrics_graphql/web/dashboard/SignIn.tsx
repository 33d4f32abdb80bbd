/** The sign-in form. */

import { useState } from "react";

import { ErrorNotice } from "./ErrorNotice";

export function SignIn(props: { message: string; onToken: (token: string) => void }) {
  const [token, setToken] = useState("");
  return (
    <main className="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onToken(token.trim());
        }}
      >
        <Logo />
        <h1>Session metrics</h1>
        <p>Metrics of your organization's sessions: their number, size, origin and merged pull requests.</p>
        {props.message && <ErrorNotice>{props.message}</ErrorNotice>}
        <label htmlFor="token">Token of a service user</label>
        <input
          id="token"
          type="password"
          required
          autoFocus
          autoComplete="off"
          spellCheck={false}
          placeholder="cog_…"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button className="primary">Show the metrics</button>
        <p className="hint">
          Create one with <code>metrics-graphql service-user create NAME --org ORG</code>. The token is stored until you close this tab.
        </p>
      </form>
    </main>
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 18v6M16 13v11M23 8v16" />
    </svg>
  );
}
