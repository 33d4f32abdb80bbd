/** The sign-in form. */

import { storeToken } from "../shared/api";
import { ErrorNotice } from "./controls";

/** Loads the page again with another token, so that nothing of the previous caller remains. An empty one signs out. */
export function signIn(token: string): void {
  storeToken(token);
  location.reload();
}

export function SignIn({ message }: { message: string }) {
  return (
    <main className="sign-in">
      <form action={(data) => signIn(String(data.get("token")).trim())}>
        <Logo />
        <h1>Session metrics</h1>
        <p>Metrics of your organization's sessions: their number, size, origin and merged pull requests.</p>
        {message && <ErrorNotice>{message}</ErrorNotice>}
        <label htmlFor="token">Token of a service user</label>
        <input id="token" name="token" type="password" required autoFocus autoComplete="off" spellCheck={false} placeholder="cog_…" />
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
