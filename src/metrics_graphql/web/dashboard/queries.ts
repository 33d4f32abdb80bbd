/** React hooks that fetch the viewer and the metrics of a view. */

import { useEffect, useState } from "react";

import { execute, type GraphQLResponseError, RequestError } from "../shared/api";
import { buildRequest, CARD_IDS, type Metrics, type MetricsQuery, toMetricsQuery, type Viewer, VIEWER_DOCUMENT } from "./metricsQuery";
import type { View } from "./view";

const MIN_RETRY_SECONDS = 3;
const TRANSIENT_CODES = new Set(["UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"]);

/** Returns the seconds until a failed query is retried; 0 if it is not. */
export function retryDelay(error: RequestError): number {
  return TRANSIENT_CODES.has(error.code) ? Math.max(MIN_RETRY_SECONDS, error.retryAfterSeconds) : 0;
}

export interface QueryState<Data> {
  data: Data | null;
  error: RequestError | null;
  isLoading: boolean;
}

/** The metrics of a view, with the query that they were fetched by. */
export interface MetricsResult {
  query: MetricsQuery;
  metrics: Metrics;
  /** The errors of fields that are null. */
  errors: GraphQLResponseError[];
}

/** A token, and the number of sign-ins, so that signing in again with the same token fetches again. */
export interface Credentials {
  token: string;
  signInCount: number;
}

/** Fetches the service user of the token. Disabled without a token. */
export function useViewer({ token, signInCount }: Credentials): QueryState<Viewer> {
  return useQuery(`${signInCount} ${token}`, token && "viewer", async (signal) => {
    const { data, errors } = await execute<{ viewer: Viewer }>(token, VIEWER_DOCUMENT, {}, signal);
    if (!data.viewer.organizations) throw nullFieldError(errors);
    return data.viewer;
  });
}

/** Fetches the metrics of a view. Disabled without an organization. */
export function useMetrics({ token, signInCount }: Credentials, view: View): QueryState<MetricsResult> {
  // The query does not depend on the split.
  const key = JSON.stringify({ ...view, split: undefined });
  return useQuery(`${signInCount} ${token} ${view.org}`, view.org && key, async (signal) => {
    const query = toMetricsQuery(view, new Date());
    const request = buildRequest(CARD_IDS, query);
    const { data, errors } = await execute<{ sessionMetrics: Metrics | null }>(token, request.query, request.variables, signal);
    if (!data.sessionMetrics) throw nullFieldError(errors);
    return { query, metrics: data.sessionMetrics, errors };
  });
}

/** Returns the error of a required field that is null. */
function nullFieldError(errors: GraphQLResponseError[]): RequestError {
  return new RequestError(errors[0]?.message ?? "The server returned no data.", errors[0]?.extensions?.code ?? "INTERNAL");
}

const INITIAL_STATE = { data: null, error: null, isLoading: true };

/** Fetches on each new key, and retries transient errors. An empty key disables it. Within a scope, previous data remains while loading. */
function useQuery<Data>(scope: string, key: string, queryFn: (signal: AbortSignal) => Promise<Data>): QueryState<Data> {
  const [state, setState] = useState<QueryState<Data> & { scope: string; key: string }>({ ...INITIAL_STATE, scope, key });
  useEffect(() => {
    if (!key) {
      setState({ ...INITIAL_STATE, isLoading: false, scope, key });
      return;
    }
    const controller = new AbortController();
    let retryTimer = 0;
    const run = async () => {
      setState((previous) => ({ ...(previous.scope === scope ? previous : INITIAL_STATE), isLoading: true, scope, key }));
      try {
        const data = await queryFn(controller.signal);
        if (!controller.signal.aborted) setState({ data, error: null, isLoading: false, scope, key });
      } catch (reason) {
        if (controller.signal.aborted) return;
        const error = reason instanceof RequestError ? reason : new RequestError(String(reason), "INTERNAL");
        setState((previous) => ({ ...previous, error, isLoading: false }));
        if (retryDelay(error)) retryTimer = window.setTimeout(run, retryDelay(error) * 1000);
      }
    };
    void run();
    return () => {
      controller.abort();
      clearTimeout(retryTimer);
    };
    // `queryFn` is a new function in each render. Scope and key determine what it fetches.
  }, [scope, key]);
  if (state.scope !== scope) return INITIAL_STATE;
  // Before the effect runs, the state is that of the previous key.
  return { ...state, isLoading: state.isLoading || state.key !== key };
}
