/** Asks the GraphQL door of the server that the page came from. */

/** An error of a GraphQL answer. */
export interface GraphQLFailure {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: string };
}

/** Why a question has no answer. */
export class AskError extends Error {
  /** `code` is the server's own; `UNREACHABLE` where it did not answer at all. It may say when to ask again. */
  constructor(
    message: string,
    readonly code: string,
    readonly retryAfterSeconds = 0,
  ) {
    super(message);
  }
}

/** What came of a question: data, perhaps with some fields missing for reasons given. */
export interface Answer<Data> {
  data: Data;
  errors: GraphQLFailure[];
}

/** Where questions go: beside the page. */
export const GRAPHQL_URL = new URL("graphql", document.baseURI).href;

/** Sends a question, and returns what came back, whatever it is. */
export function post(token: string, question: object, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(GRAPHQL_URL, {
    method: "POST",
    headers: {
      Accept: "application/graphql-response+json",
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify(question),
    signal,
  });
}

/** Asks one question. Throws an `AskError` where nothing at all could be answered. */
export async function ask<Data>(
  token: string,
  query: string,
  variables: object,
  signal: AbortSignal,
): Promise<Answer<Data>> {
  // A header can hold nothing else, and no token has anything else.
  if (!/^[!-~]+$/.test(token)) throw new AskError("That is no token.", "UNAUTHENTICATED");
  const response = await post(token, { query, variables }, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new AskError("The server can't be reached.", "UNREACHABLE");
  });
  const body: { data?: Data | null; errors?: GraphQLFailure[] } = await response.json().catch(() => ({}));
  if (body.data) return { data: body.data, errors: body.errors ?? [] };
  const first = body.errors?.[0];
  throw new AskError(
    first?.message ?? `The server answered ${response.status}.`,
    first?.extensions?.code ?? (response.status >= 500 ? "UNAVAILABLE" : "INTERNAL"),
    Number(response.headers.get("Retry-After") ?? 0),
  );
}
