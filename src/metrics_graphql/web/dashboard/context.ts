/** The state that the components of the dashboard share, and the names of ids. */

import { createContext, useContext } from "react";

import type { Named } from "./metricsQuery";
import type { MetricsResult } from "./queries";
import { ENTERPRISE, FILTERS, type useView } from "./view";

/** The view, and its result, which is null until it is loaded. */
type Dashboard = Pick<ReturnType<typeof useView>, "view" | "changeView"> & { result: MetricsResult | null };

export const DashboardContext = createContext<Dashboard | null>(null);
export const useDashboard = () => useContext(DashboardContext)!;

/** Returns the dashboard, for components that are rendered with a result only. */
export const useResult = () => useDashboard() as Dashboard & { result: MetricsResult };

/** Names by kind and id: those of filters, and those in responses. A URL has ids only. */
const names = new Map([[`organizations ${ENTERPRISE}`, "All organizations"]]);
for (const [kind, filter] of Object.entries(FILTERS)) {
  for (const [id, name] of Object.entries(filter.names ?? {})) names.set(`${kind} ${id}`, name);
}

export function storeNames(kind: string, items: Named[]): void {
  for (const { id, name } of items) if (name) names.set(`${kind} ${id}`, name);
}

/** Returns the name of an id; the id if it has none. */
export function nameOf(kind: string, id: string): string {
  return names.get(`${kind} ${id}`) ?? id;
}
