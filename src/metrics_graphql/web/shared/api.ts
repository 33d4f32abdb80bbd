/** A client of the GraphQL API of this origin. */

/** A document with its variables. */
export interface GraphQLRequest {
  query: string;
  variables: object;
}

/** An error in a GraphQL response. */
export interface GraphQLResponseError {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: string };
}

/** A request that returned no data. */
export class RequestError extends Error {
  /** `code` is the server's error code, or `UNREACHABLE` without a response. `retryAfterSeconds` is 0 without a `Retry-After`. */
  constructor(
    message: string,
    readonly code: string,
    readonly retryAfterSeconds = 0,
  ) {
    super(message);
  }
}

/** A response with data. Fields with an error are null. */
interface GraphQLResponse<Data> {
  data: Data;
  errors: GraphQLResponseError[];
}

/** The endpoint, relative to the page. */
export const GRAPHQL_URL = new URL("graphql", document.baseURI).href;

/** Longer URLs may be rejected by proxies and servers. */
const MAX_URL_LENGTH = 7000;

/** Sends a GraphQL request by POST. Resolves for any HTTP status. */
export function post(token: string, request: object, signal: AbortSignal | null = null): Promise<Response> {
  const headers = { ...headersOf(token), "Content-Type": "application/json" };
  return fetch(GRAPHQL_URL, { method: "POST", headers, body: JSON.stringify(request), signal });
}

/** Sends a query by GET, so that the browser can cache and revalidate the response, or by POST if the URL would be too long. */
function send(token: string, request: GraphQLRequest, signal: AbortSignal): Promise<Response> {
  const url = `${GRAPHQL_URL}?${new URLSearchParams({ query: request.query, variables: JSON.stringify(request.variables) })}`;
  if (url.length > MAX_URL_LENGTH) return post(token, request, signal);
  return fetch(url, { headers: headersOf(token), signal });
}

function headersOf(token: string) {
  return { Accept: "application/graphql-response+json", Authorization: `Bearer ${token}` };
}

/** Executes a query. Throws a `RequestError` if the response has no data. */
export async function execute<Data>(token: string, request: GraphQLRequest, signal: AbortSignal): Promise<GraphQLResponse<Data>> {
  // Tokens are printable ASCII, and `fetch` throws for header values outside Latin-1.
  if (!/^[!-~]+$/.test(token)) throw new RequestError("This token is not valid.", "UNAUTHENTICATED");
  const response = await send(token, request, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new RequestError("The server can't be reached.", "UNREACHABLE");
  });
  const body: { data?: Data | null; errors?: GraphQLResponseError[] } = await response.json().catch(() => ({}));
  if (body.data) return { data: body.data, errors: body.errors ?? [] };
  const first = body.errors?.[0];
  throw new RequestError(
    first?.message ?? `The server responded with HTTP status ${response.status}.`,
    first?.extensions?.code ?? (response.status >= 500 ? "UNAVAILABLE" : "INTERNAL"),
    Number(response.headers.get("Retry-After") ?? 0),
  );
}
