/** A client of the GraphQL API of this origin, and the token that it sends. */

const TOKEN_KEY = "metrics-graphql:token";

/** Returns the token of this tab, which is in `sessionStorage` only and never in a URL. Before a first sign-in, it is that of a demo. */
export function readToken(): string {
  const demoToken = document.querySelector<HTMLMetaElement>("meta[name=token]")?.content ?? "";
  return sessionStorage.getItem(TOKEN_KEY) ?? demoToken;
}

/** Stores a token until the tab is closed. An empty one signs out, and clears the tabs and the history of GraphiQL. */
export function storeToken(token: string): void {
  if (!token) {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith("graphiql:"));
    keys.forEach((key) => localStorage.removeItem(key));
  }
  sessionStorage.setItem(TOKEN_KEY, token);
}

type GraphQLRequest = { query: string; variables: object };

const MIN_RETRY_SECONDS = 3;
const TRANSIENT_CODES = ["UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"];

/** A request that returned no data, and the seconds until it can be retried; 0 for an error that is not transient. */
export class RequestError extends Error {
  readonly code: string;
  readonly retrySeconds: number;

  /** `code` is the server's error code, or `UNREACHABLE` without a response. `retryAfter` is 0 without a `Retry-After`. */
  constructor(message: string, code: string, retryAfter = 0) {
    super(message);
    this.code = code;
    this.retrySeconds = TRANSIENT_CODES.includes(code) ? Math.max(MIN_RETRY_SECONDS, retryAfter) : 0;
  }
}

/** The endpoint, relative to the page. */
export const GRAPHQL_URL = new URL("graphql", document.baseURI).href;

/** Longer URLs may be rejected by proxies and servers. */
const MAX_URL_LENGTH = 7000;

/** Sends a GraphQL request by POST. Resolves for any HTTP status. */
export function post(request: object, signal: AbortSignal | null = null): Promise<Response> {
  const headers = { ...commonHeaders(), "Content-Type": "application/json" };
  return fetch(GRAPHQL_URL, { method: "POST", headers, body: JSON.stringify(request), signal });
}

function commonHeaders() {
  return { Accept: "application/graphql-response+json", Authorization: `Bearer ${readToken()}` };
}

/** Executes a query. Returns its data and a field of them, or throws a `RequestError` if that is null. Other fields with an error are null. */
export async function execute<Data, Field>(request: GraphQLRequest, signal: AbortSignal, select: (data: Data) => Field | null | undefined) {
  // Tokens are printable ASCII, and `fetch` throws for header values outside Latin-1.
  if (!/^[!-~]+$/.test(readToken())) throw new RequestError("This token is not valid.", "UNAUTHENTICATED");
  const params = new URLSearchParams({ query: request.query, variables: JSON.stringify(request.variables) });
  const url = `${GRAPHQL_URL}?${params}`;
  // The browser can cache and revalidate the response to a GET.
  const sent = url.length > MAX_URL_LENGTH ? post(request, signal) : fetch(url, { headers: commonHeaders(), signal });
  const response = await sent.catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new RequestError("The server can't be reached.", "UNREACHABLE");
  });
  const body: { data?: Data | null; errors?: { message: string; extensions?: { code?: string } }[] } = await response.json().catch(() => ({}));
  const { data, errors = [] } = body;
  const field = data && select(data);
  if (data && field) return { data, field, errors };
  throw new RequestError(
    errors[0]?.message ?? `The server responded with HTTP status ${response.status}.`,
    errors[0]?.extensions?.code ?? (response.status >= 500 ? "UNAVAILABLE" : "INTERNAL"),
    Number(response.headers.get("Retry-After") ?? 0),
  );
}
