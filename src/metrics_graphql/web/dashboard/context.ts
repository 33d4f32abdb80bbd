/** What the parts of the dashboard share. */

import { createContext, useContext } from "react";

import type { Named } from "./metricsQuery";
import type { MetricsResult } from "./queries";
import type { ChangeView, View } from "./view";

export interface Dashboard {
  token: string;
  view: View;
  changeView: ChangeView;
  /** Null until the first one is loaded. */
  result: MetricsResult | null;
}

export const DashboardContext = createContext<Dashboard | null>(null);

export function useDashboard(): Dashboard {
  return useContext(DashboardContext)!;
}

/** Returns the same for parts that are shown once there is a result. */
export function useResult(): Dashboard & { result: MetricsResult } {
  return useDashboard() as Dashboard & { result: MetricsResult };
}

/** Names by kind and id, of what responses have named so far: a view has the ids of its filters only. */
const names = new Map<string, string>();

export function rememberNames(kind: string, items: Named[]): void {
  for (const { id, name } of items) if (name) names.set(`${kind} ${id}`, name);
}

/** Returns the name of an id; the id if it has none. */
export function nameOf(kind: string, id: string): string {
  return names.get(`${kind} ${id}`) ?? id;
}

export function forgetNames(): void {
  names.clear();
}
