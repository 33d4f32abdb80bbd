/** React hooks that fetch the viewer, the metrics of a view, and options of filters. */

import { useEffect, useState } from "react";

import { execute, type GraphQLRequest, type GraphQLResponseError, RequestError } from "../shared/api";
import {
  BREAKDOWNS,
  type BreakdownId,
  type Bucket,
  buildHistoryRequest,
  buildRequest,
  cardsOf,
  type DashboardData,
  type Metrics,
  type MetricsQuery,
  type Named,
  OPTIONS_DOCUMENT,
  type Row,
  type RowPage,
  toMetricsQuery,
  type Viewer,
  VIEWER_DOCUMENT,
} from "./metricsQuery";
import { bucketStart, type Interval } from "./period";
import { ENTERPRISE, type View } from "./view";

const MIN_RETRY_SECONDS = 3;
const REFRESH_SECONDS = 60;
const TRANSIENT_CODES = new Set(["UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"]);

/** Returns the seconds until a failed query is retried; 0 if it is not. */
export function retryDelay(error: RequestError): number {
  return TRANSIENT_CODES.has(error.code) ? Math.max(MIN_RETRY_SECONDS, error.retryAfterSeconds) : 0;
}

interface QueryState<Data> {
  data: Data | null;
  error: RequestError | null;
  isLoading: boolean;
}

/** The metrics of a view, and the query that returned them. */
export interface MetricsResult {
  query: MetricsQuery;
  data: DashboardData & { metrics: Metrics };
  /** The errors of fields that are null. */
  errors: GraphQLResponseError[];
  fetchedAt: Date;
}

/** A token, and the number of sign-ins, so that signing in again with the same token fetches again. */
export interface Credentials {
  token: string;
  signInCount: number;
}

/** Fetches the service user of the token. Disabled without a token. */
export function useViewer({ token, signInCount }: Credentials): QueryState<Viewer> {
  return useQuery(`${signInCount} ${token}`, token && "viewer", 0, async (signal) => {
    const { data, errors } = await execute<{ viewer: Viewer }>(token, { query: VIEWER_DOCUMENT, variables: {} }, signal);
    return { ...data.viewer, organizations: notNull(data.viewer.organizations, errors) };
  });
}

/** Fetches the metrics of a view, again every minute while the page is visible. Disabled without an organization. */
export function useMetrics({ token, signInCount }: Credentials, view: View): QueryState<MetricsResult> {
  // Options of the chart do not change the query.
  const key = JSON.stringify({ ...view, split: undefined, overlay: undefined });
  return useQuery(`${signInCount} ${token} ${view.org}`, view.org && key, REFRESH_SECONDS, async (signal) => {
    const query = toMetricsQuery(view, new Date());
    const { data, errors } = await execute<DashboardData>(token, buildRequest(cardsOf(view.org), query), signal);
    return { query, data: { ...data, metrics: notNull(data.metrics, errors) }, errors, fetchedAt: new Date() };
  });
}

/** Finds the date of the newest session that matches the filters of a query; null if there is none. */
export function useNewestDate(token: string, query: MetricsQuery): QueryState<string> {
  const { org, filters, timeZone } = query.variables;
  return useQuery(`${token} ${org}`, JSON.stringify(filters), 0, async (signal) => {
    const lastBucket = async (interval: Interval, after: string, before: string) => {
      const request = buildHistoryRequest(query, interval, after, before);
      const { data, errors } = await execute<{ metrics: { timeSeries: Bucket[] | null } | null }>(token, request, signal);
      return notNull(data.metrics?.timeSeries, errors).findLast((bucket) => bucket.sessionsCreatedCount > 0);
    };
    const month = await lastBucket("MONTH", "2000-01-01T00:00:00Z", new Date().toISOString());
    const day = month && (await lastBucket("DAY", month.period.startsAt, month.period.endsAt));
    return day ? bucketStart(day.period.startsAt, "DAY", timeZone) : null;
  });
}

/** Searches the options of a filter. Disabled without a kind. */
export function useOptions(token: string, org: string, kind: string, search: string): QueryState<Named[]> {
  return useQuery(`${token} ${org} ${kind}`, kind && `?${search}`, 0, async (signal) => {
    const request = { query: OPTIONS_DOCUMENT, variables: { ...(org !== ENTERPRISE && { org }), kind, search } };
    const { data, errors } = await execute<{ filterOptions: Named[] | null }>(token, request, signal);
    return notNull(data.filterOptions, errors);
  });
}

const MAX_PAGE_SIZE = 100;
const PAGE_TIMEOUT_MILLISECONDS = 30_000;

/** Fetches all rows of a breakdown, page by page. */
export async function fetchRows(token: string, query: MetricsQuery, id: BreakdownId): Promise<Row[]> {
  const rows: Row[] = [];
  let after: string | null = null;
  do {
    const request: GraphQLRequest = buildRequest([id], { ...query, variables: { ...query.variables, first: MAX_PAGE_SIZE, after } });
    const { data, errors } = await execute<DashboardData>(token, request, AbortSignal.timeout(PAGE_TIMEOUT_MILLISECONDS));
    const page: RowPage = notNull(data.metrics?.[BREAKDOWNS[id].field], errors);
    rows.push(...page.nodes);
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after);
  return rows;
}

/** Returns the value of a required field. If it is null, throws the error of the response. */
function notNull<Value>(value: Value | null | undefined, errors: GraphQLResponseError[]): Value {
  if (value != null) return value;
  throw new RequestError(errors[0]?.message ?? "The server returned no data.", errors[0]?.extensions?.code ?? "INTERNAL");
}

const INITIAL_STATE = { data: null, error: null, isLoading: true };

/**
 * Fetches on each new key, and retries transient errors. While the page is visible, fetches again `refreshSeconds` after
 * a response, unless they are 0. An empty key disables it. Within a scope, previous data remain while loading.
 */
function useQuery<Data>(scope: string, key: string, refreshSeconds: number, queryFn: (signal: AbortSignal) => Promise<Data | null>): QueryState<Data> {
  const [state, setState] = useState<QueryState<Data> & { scope: string; key: string }>({ ...INITIAL_STATE, scope, key });
  useEffect(() => {
    if (!key) {
      setState({ ...INITIAL_STATE, isLoading: false, scope, key });
      return;
    }
    const controller = new AbortController();
    let timer = 0;
    let refreshAt = Infinity;
    const run = async () => {
      clearTimeout(timer);
      refreshAt = Infinity;
      try {
        const data = await queryFn(controller.signal);
        if (controller.signal.aborted) return;
        setState({ data, error: null, isLoading: false, scope, key });
        if (!refreshSeconds) return;
        refreshAt = Date.now() + refreshSeconds * 1000;
        timer = window.setTimeout(refresh, refreshSeconds * 1000);
      } catch (reason) {
        if (controller.signal.aborted) return;
        const error = reason instanceof RequestError ? reason : new RequestError(String(reason), "INTERNAL");
        setState((previous) => ({ ...previous, error, isLoading: false }));
        if (retryDelay(error)) timer = window.setTimeout(run, retryDelay(error) * 1000);
      }
    };
    const refresh = () => {
      if (!document.hidden && Date.now() >= refreshAt) void run();
    };
    setState((previous) => ({ ...(previous.scope === scope ? previous : INITIAL_STATE), isLoading: true, scope, key }));
    void run();
    document.addEventListener("visibilitychange", refresh);
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
    // `queryFn` is a new function in each render. Scope and key determine what it fetches.
  }, [scope, key]);
  if (state.scope !== scope) return INITIAL_STATE;
  // Before the effect runs, the state is that of the previous key.
  return { ...state, isLoading: state.isLoading || state.key !== key };
}
