/** The token of whoever looks at the page: for this tab alone, and never in an address. */

const KEY = "metrics-graphql:token";

/** The token given in this tab or, before one is, that of a demo. */
export function readToken(): string {
  return sessionStorage.getItem(KEY) ?? demoToken();
}

/** Keeps a token until the tab is closed; an empty one signs out. */
export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

function demoToken(): string {
  return document.querySelector<HTMLMetaElement>("meta[name=token]")?.content ?? "";
}
