/** What is looked at, as it stands in the address: never the token. */

import { useEffect, useState } from "react";

import { areDays, type Period, PRESETS } from "./period";

/** How the bars of sessions over time are split. */
export type Split = "origin" | "size";

export interface View {
  /** Empty until one is chosen: then it is the first that may be read. */
  org: string;
  period: Period;
  users: string[];
  serviceUsers: string[];
  /** Empty for all sessions. */
  playbook: string;
  split: Split;
}

export function readView(search: string): View {
  const given = new URLSearchParams(search);
  const [from, to, preset] = [given.get("from"), given.get("to"), given.get("period")];
  return {
    org: given.get("org") ?? "",
    period: areDays(from, to) ? { from: from!, to: to! } : (PRESETS.find(({ id }) => id === preset)?.id ?? "30d"),
    users: ids(given.getAll("user")),
    serviceUsers: ids(given.getAll("service_user")),
    playbook: given.get("playbook") ?? "",
    split: given.get("split") === "size" ? "size" : "origin",
  };
}

/** Each of them once. */
function ids(given: string[]): string[] {
  return [...new Set(given)].filter(Boolean);
}

export function writeView(view: View): string {
  const written = new URLSearchParams();
  if (view.org) written.set("org", view.org);
  if (typeof view.period === "string") {
    written.set("period", view.period);
  } else {
    written.set("from", view.period.from);
    written.set("to", view.period.to);
  }
  for (const id of view.users) written.append("user", id);
  for (const id of view.serviceUsers) written.append("service_user", id);
  if (view.playbook) written.set("playbook", view.playbook);
  if (view.split !== "origin") written.set("split", view.split);
  return `?${written}`;
}

/** The view in the address, and how to look at something else; the back button goes back. */
export function useView(): [View, (change: Partial<View>, how?: "push" | "replace") => void] {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const follow = () => setSearch(location.search);
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const view = readView(search);
  const change = (changed: Partial<View>, how: "push" | "replace" = "push") => {
    const next = writeView({ ...view, ...changed });
    if (next !== location.search) history[`${how}State`](null, "", next);
    setSearch(next);
  };
  return [view, change];
}
