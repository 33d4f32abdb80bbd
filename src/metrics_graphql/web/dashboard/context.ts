/** The state that the components of the dashboard share, and the names of ids. */

import { createContext, useContext } from "react";

import type { Named } from "./metricsQuery";
import type { MetricsResult } from "./queries";
import type { ChangeView, View } from "./view";

export interface Dashboard {
  token: string;
  view: View;
  changeView: ChangeView;
  /** Null until a first result is loaded. */
  result: MetricsResult | null;
}

export const DashboardContext = createContext<Dashboard | null>(null);

export function useDashboard(): Dashboard {
  return useContext(DashboardContext)!;
}

/** Returns the dashboard, for components that are rendered with a result only. */
export function useResult(): Dashboard & { result: MetricsResult } {
  return useDashboard() as Dashboard & { result: MetricsResult };
}

/** Names from responses, by kind and id. A URL has the ids of its filters only. */
const names = new Map<string, string>();

export function storeNames(kind: string, items: Named[]): void {
  for (const { id, name } of items) if (name) names.set(`${kind} ${id}`, name);
}

/** Returns the name of an id; the id if it has none. */
export function nameOf(kind: string, id: string): string {
  return names.get(`${kind} ${id}`) ?? id;
}

export function clearNames(): void {
  names.clear();
}
