/** Asks the GraphQL door of the server that the page came from. */

/** An error of a GraphQL answer. */
export interface GraphQLFailure {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: string };
}

/** Why a question has no answer. */
export class AskError extends Error {
  /** `code` is the server's own; `UNREACHABLE` where it did not answer at all. */
  constructor(
    message: string,
    readonly code: string,
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

/** Asks one question. Throws an `AskError` where nothing at all could be answered. */
export async function ask<Data>(
  token: string,
  query: string,
  variables: object,
  signal: AbortSignal,
): Promise<Answer<Data>> {
  let response: Response;
  let body: { data?: Data | null; errors?: GraphQLFailure[] };
  try {
    response = await fetch(GRAPHQL_URL, {
      method: "POST",
      headers: {
        Accept: "application/graphql-response+json",
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ query, variables }),
      signal,
    });
    body = await response.json();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new AskError("The server can't be reached.", "UNREACHABLE");
  }
  if (body.data) return { data: body.data, errors: body.errors ?? [] };
  const first = body.errors?.[0];
  throw new AskError(first?.message ?? `The server answered ${response.status}.`, first?.extensions?.code ?? "INTERNAL");
}
