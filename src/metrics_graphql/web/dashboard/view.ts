/** The state of the dashboard, stored in the query string. It never contains the token. */

import { useEffect, useState } from "react";

import { isDateRange, type Period, PRESETS } from "./period";

/** The dimension by which the bars of sessions over time are stacked. */
export type Split = "origin" | "size";

export interface View {
  /** Empty for the first organization that the token may read. */
  org: string;
  period: Period;
  users: string[];
  serviceUsers: string[];
  /** Empty for all sessions. */
  playbook: string;
  split: Split;
}

export function parseView(search: string): View {
  const params = new URLSearchParams(search);
  const [from, to, preset] = [params.get("from"), params.get("to"), params.get("period")];
  return {
    org: params.get("org") ?? "",
    period: isDateRange(from, to) ? { from: from!, to: to! } : (PRESETS.find(({ id }) => id === preset)?.id ?? "30d"),
    users: uniqueIds(params.getAll("user")),
    serviceUsers: uniqueIds(params.getAll("service_user")),
    playbook: params.get("playbook") ?? "",
    split: params.get("split") === "size" ? "size" : "origin",
  };
}

function uniqueIds(ids: string[]): string[] {
  return [...new Set(ids)].filter(Boolean);
}

export function serializeView(view: View): string {
  const params = new URLSearchParams();
  if (view.org) params.set("org", view.org);
  if (typeof view.period === "string") {
    params.set("period", view.period);
  } else {
    params.set("from", view.period.from);
    params.set("to", view.period.to);
  }
  for (const id of view.users) params.append("user", id);
  for (const id of view.serviceUsers) params.append("service_user", id);
  if (view.playbook) params.set("playbook", view.playbook);
  if (view.split !== "origin") params.set("split", view.split);
  return `?${params}`;
}

/** Returns the view of the current URL, and a function that navigates to a changed one. */
export function useView(): [View, (change: Partial<View>, mode?: "push" | "replace") => void] {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const onPopState = () => setSearch(location.search);
    addEventListener("popstate", onPopState);
    return () => removeEventListener("popstate", onPopState);
  }, []);
  const view = parseView(search);
  const changeView = (change: Partial<View>, mode: "push" | "replace" = "push") => {
    const next = serializeView({ ...view, ...change });
    if (next !== location.search) history[`${mode}State`](null, "", next);
    setSearch(next);
  };
  return [view, changeView];
}
