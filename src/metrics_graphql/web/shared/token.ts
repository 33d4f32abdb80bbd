/** The token of the signed-in service user, in `sessionStorage` only and never in a URL. */

const KEY = "metrics-graphql:token";

/** Returns the token of this tab. Before a first sign-in, this is the token of a demo. */
export function readToken(): string {
  return sessionStorage.getItem(KEY) ?? demoToken();
}

/** Stores a token until the tab is closed. An empty one signs out, and clears the tabs and the history of GraphiQL. */
export function storeToken(token: string): void {
  if (!token) {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith("graphiql:"));
    keys.forEach((key) => localStorage.removeItem(key));
  }
  sessionStorage.setItem(KEY, token);
}

function demoToken(): string {
  return document.querySelector<HTMLMetaElement>("meta[name=token]")?.content ?? "";
}
