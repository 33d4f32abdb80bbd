/** Asks for a token. */

import { useState } from "react";

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
        <Mark />
        <h1>Session metrics</h1>
        <p>What came of your organization's sessions: how many, how big, where from, and what was merged.</p>
        {props.message && (
          <p className="notice problem" role="alert">
            {props.message}
          </p>
        )}
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
          <code>metrics-graphql service-user create NAME --org ORG</code> prints one. It stays in this tab and is forgotten with it.
        </p>
      </form>
    </main>
  );
}

/** The sign of the product. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 18v6M16 13v11M23 8v16" />
    </svg>
  );
}
