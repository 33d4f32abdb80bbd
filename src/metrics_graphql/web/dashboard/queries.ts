/** React hooks that fetch the viewer, the metrics of a view, and options of filters. */

import { useEffect, useState } from "react";

import { execute, readToken, RequestError } from "../shared/api";
import { storeNames } from "./context";
import type { BreakdownId, DashboardData, Metrics, MetricsQuery, Named, Row } from "./metricsQuery";
import { BREAKDOWNS, buildRequest, cardsOf, OPTIONS_DOCUMENT, RANKINGS, toMetricsQuery, VIEWER_DOCUMENT } from "./metricsQuery";
import { bucketStart, type Interval } from "./period";
import { ENTERPRISE, type FilterId, FILTERS, type View } from "./view";

const REFRESH_SECONDS = 60;

interface Viewer {
  name: string;
  enterprise: boolean;
  permissions: string[];
  organizations: Named[] | null;
}

/** Each of them permits a token of the enterprise to read the metrics of all organizations. */
const ENTERPRISE_PERMISSIONS = ["ViewAccountMetrics", "ViewOrgMetrics"];

/** Fetches the service user of the token, and the organizations that it may read. Disabled without a token. */
export function useViewer() {
  return useQuery("", readToken() && "viewer", async (signal) => {
    const { data, field } = await execute({ query: VIEWER_DOCUMENT, variables: {} }, signal, ({ viewer }: { viewer: Viewer }) => viewer.organizations);
    const { name, enterprise, permissions } = data.viewer;
    storeNames("organizations", field);
    const isEnterprise = enterprise && permissions.some((permission) => ENTERPRISE_PERMISSIONS.includes(permission));
    return { name, isEnterprise, organizations: field.map(({ id }) => id) };
  });
}

/** The metrics of a view, the query that returned them, and the errors of fields that are null. */
export type MetricsResult = NonNullable<ReturnType<typeof useMetrics>["data"]>;

/** Fetches the metrics of a view, again every minute while the page is visible. Disabled without an organization. */
export function useMetrics(view: View) {
  // Options of the chart do not change the query.
  const key = JSON.stringify({ ...view, split: undefined, overlay: undefined });
  const fetchMetrics = async (signal: AbortSignal) => {
    const query = toMetricsQuery(view, new Date());
    const request = buildRequest(cardsOf(view.org), query.variables);
    const { data, field, errors } = await execute(request, signal, ({ metrics }: DashboardData) => metrics);
    storeRowNames(field);
    return { query, data: { ...data, metrics: field }, errors, fetchedAt: new Date() };
  };
  return useQuery(view.org, view.org && key, fetchMetrics, REFRESH_SECONDS);
}

/** Finds the date of the newest session that matches the filters of a query; null if there is none. */
export function useNewestDate({ variables }: MetricsQuery) {
  return useQuery(variables.org, JSON.stringify(variables.filters), async (signal) => {
    const lastBucket = async (interval: Interval, timeAfter: string, timeBefore: string) => {
      const filters = { ...variables.filters, timeAfter, timeBefore };
      // Of the cards with a time series, this has the fewest fields.
      const request = buildRequest(["acus"], { ...variables, filters, interval });
      const { field } = await execute(request, signal, ({ metrics }: DashboardData) => metrics?.timeSeries);
      return field.findLast((bucket) => bucket.sessionsCreatedCount > 0)?.period;
    };
    const month = await lastBucket("MONTH", "2000-01-01T00:00:00Z", new Date().toISOString());
    const day = month && (await lastBucket("DAY", month.startsAt, month.endsAt));
    return day ? bucketStart(day.startsAt, "DAY", variables.timeZone) : null;
  });
}

const DEBOUNCE_MILLISECONDS = 250;

/** Searches the values of a filter by ids, unless the search is null. */
export function useOptions(org: string, id: FilterId, search: string | null) {
  return useQuery(org, search === null ? "" : `?${search}`, async (signal) => {
    // More may be typed, which aborts this search.
    if (search) await new Promise((resolve) => setTimeout(resolve, DEBOUNCE_MILLISECONDS));
    signal.throwIfAborted();
    const variables = { ...(org !== ENTERPRISE && { org }), kind: FILTERS[id].param.toUpperCase(), search };
    const select = (data: { filterOptions: Named[] | null }) => data.filterOptions;
    const { field } = await execute({ query: OPTIONS_DOCUMENT, variables }, signal, select);
    storeNames(id, field);
    return field.map((option) => option.id);
  });
}

const MAX_PAGE_SIZE = 100;
const PAGE_TIMEOUT_MILLISECONDS = 30_000;

export async function fetchRows({ variables }: MetricsQuery, id: BreakdownId): Promise<Row[]> {
  const rows: Row[] = [];
  let after: string | null = null;
  do {
    const request = buildRequest([id], { ...variables, first: MAX_PAGE_SIZE, after });
    const signal = AbortSignal.timeout(PAGE_TIMEOUT_MILLISECONDS);
    const { data, field } = await execute(request, signal, ({ metrics }: DashboardData) => metrics?.[BREAKDOWNS[id].field]);
    storeRowNames(data.metrics!);
    rows.push(...field.nodes);
    after = field.pageInfo.hasNextPage ? field.pageInfo.endCursor : null;
  } while (after);
  return rows;
}

function storeRowNames(metrics: Metrics): void {
  for (const id of ["organizations", ...RANKINGS] as const) {
    const { field, node } = BREAKDOWNS[id];
    storeNames(id, metrics[field]?.nodes.map((row) => row[node] as Named) ?? []);
  }
}

/**
 * Fetches on each new key, and retries transient errors. While the page is visible, fetches again `refreshSeconds` after
 * a response, unless they are 0. An empty key disables it. Within a scope, previous data remain while loading.
 */
function useQuery<Data>(scope: string, key: string, queryFn: (signal: AbortSignal) => Promise<Data>, refreshSeconds = 0) {
  const [last, setLast] = useState({ scope, key: "", data: null as Data | null, error: null as RequestError | null });
  useEffect(() => {
    if (!key) return;
    const controller = new AbortController();
    const { signal } = controller;
    let timer = 0;
    const run = async () => {
      try {
        const data = await queryFn(signal);
        signal.throwIfAborted();
        setLast({ scope, key, data, error: null });
        if (refreshSeconds) timer = window.setTimeout(refresh, refreshSeconds * 1000);
      } catch (reason) {
        if (signal.aborted) return;
        const error = reason instanceof RequestError ? reason : new RequestError(String(reason), "INTERNAL");
        setLast((previous) => ({ scope, key, data: previous.scope === scope ? previous.data : null, error }));
        if (error.retrySeconds) timer = window.setTimeout(run, error.retrySeconds * 1000);
      }
    };
    const refresh = () => {
      if (document.hidden) document.addEventListener("visibilitychange", refresh, { once: true, signal });
      else void run();
    };
    void run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
    // `queryFn` is a new function in each render. Scope and key determine what it fetches.
  }, [scope, key]);
  const { data, error } = key && last.scope === scope ? last : { data: null, error: null };
  return { data, error, isLoading: key !== "" && (last.scope !== scope || last.key !== key) };
}
