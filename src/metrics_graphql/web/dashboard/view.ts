/** The state of the dashboard, stored in the query string. It never contains the token. */

import { useEffect, useState } from "react";

import { type Measure, MEASURES, ORIGIN_NAMES, type Origin, SIZE_NAMES, type Size } from "./measures";
import { BROWSER_ZONE, canonicalZone, type Comparison, COMPARISONS, dateRangeProblem, DEFAULT_PRESET, type Period, type PresetId, PRESETS } from "./period";

/** The dimension by which the bars of sessions over time are stacked. */
export type Split = "origin" | "size";

export interface View {
  /** `ENTERPRISE` for all organizations; empty for the default of the token. */
  org: string;
  period: Period;
  comparison: Comparison;
  /** An IANA time zone. */
  zone: string;
  users: string[];
  serviceUsers: string[];
  playbooks: string[];
  origins: Origin[];
  sizes: Size[];
  /** Whether a pull request is merged: `yes`, `no`, or empty for all sessions. */
  merged: "" | "yes" | "no";
  split: Split;
  /** The measure that rankings are ordered by. */
  order: Measure;
  /** Whether the previous period is drawn, too. */
  overlay: boolean;
}

/** The view of a URL. */
interface ParsedView {
  view: View;
  /** The first error in the URL, which hides the metrics; an empty string if there is none. */
  problem: string;
  /** Parameters that were ignored or replaced. */
  notices: string[];
}

export const ENTERPRISE = "*";
export const DEFAULT_ORDER: Measure = "sessionsCreatedCount";
const DEFAULT_COMPARISON: Comparison = "previous";
const DEFAULT_SPLIT: Split = "origin";

/** The query parameters of the filters by lists of ids, origins or sizes. */
const FILTER_PARAMS = { users: "user", serviceUsers: "service_user", playbooks: "playbook", origins: "origin", sizes: "size" } as const;
type ListFilter = keyof typeof FILTER_PARAMS;

export const NO_FILTERS: Pick<View, ListFilter | "merged"> = {
  users: [],
  serviceUsers: [],
  playbooks: [],
  origins: [],
  sizes: [],
  merged: "",
};

/** Returns the number of filters in use. */
export function countFilters(view: View): number {
  return (Object.keys(NO_FILTERS) as (keyof typeof NO_FILTERS)[]).filter((name) => view[name].length > 0).length;
}

/** Returns a change of the view: to a filter by one value or, if that is the current filter, to none. */
export function toggleFilter(view: View, id: ListFilter, value: string): Partial<View> {
  const values: string[] = view[id];
  const isOnly = values.length === 1 && values[0] === value;
  return { [id]: isOnly ? [] : [value] };
}

const PARAMS: string[] = ["org", "period", "from", "to", "compare", "tz", ...Object.values(FILTER_PARAMS), "merged", "split", "order", "overlay"];

function parseView(search: string): ParsedView {
  const params = new URLSearchParams(search);
  const problems: string[] = [];
  const ignored = [...new Set(params.keys())].filter((name) => !PARAMS.includes(name));
  const notices = ignored.map((name) => `“${name}” in the address is not known, and is ignored.`);
  const oneOf = <Value extends string>(name: string, values: readonly Value[], byDefault: Value): Value => {
    const value = (params.get(name) ?? byDefault) as Value;
    if (values.includes(value)) return value;
    problems.push(`“${name}=${value}” is not known. Possible values: ${values.filter(Boolean).join(", ")}.`);
    return byDefault;
  };
  const someOf = <Value extends string>(name: string, values: Value[]): Value[] => {
    const unknown = params.getAll(name).filter((value) => !values.includes(value as Value));
    if (unknown.length) problems.push(`“${name}=${unknown[0]}” is not known. Possible values: ${values.join(", ")}.`);
    return values.filter((value) => params.getAll(name).includes(value));
  };
  const [from, to] = [params.get("from") ?? "", params.get("to") ?? ""];
  let period: Period = oneOf("period", Object.keys(PRESETS) as PresetId[], DEFAULT_PRESET);
  if (from || to) {
    if (params.has("period")) problems.push("The address has “period” and dates. It needs one of them.");
    const problem = dateRangeProblem(from, to);
    if (problem) problems.push(problem);
    period = { from, to };
  }
  const givenZone = params.get("tz") ?? BROWSER_ZONE;
  const zone = canonicalZone(givenZone);
  if (!zone) notices.push(`“${givenZone}” is not a known time zone. Days are in UTC.`);
  const view: View = {
    org: params.get("org") ?? "",
    period,
    comparison: oneOf("compare", Object.keys(COMPARISONS) as Comparison[], DEFAULT_COMPARISON),
    zone: zone ?? "UTC",
    users: uniqueIds(params.getAll(FILTER_PARAMS.users)),
    serviceUsers: uniqueIds(params.getAll(FILTER_PARAMS.serviceUsers)),
    playbooks: uniqueIds(params.getAll(FILTER_PARAMS.playbooks)),
    origins: someOf(FILTER_PARAMS.origins, Object.keys(ORIGIN_NAMES) as Origin[]),
    sizes: someOf(FILTER_PARAMS.sizes, Object.keys(SIZE_NAMES) as Size[]),
    merged: oneOf("merged", ["", "yes", "no"], ""),
    split: oneOf("split", ["origin", "size"], DEFAULT_SPLIT),
    order: oneOf("order", Object.keys(MEASURES) as Measure[], DEFAULT_ORDER),
    overlay: oneOf("overlay", ["", "previous"], "") !== "",
  };
  return { view, problem: problems[0] ?? "", notices };
}

function uniqueIds(ids: string[]): string[] {
  return [...new Set(ids)].filter(Boolean);
}

function serializeView(view: View): string {
  const params = new URLSearchParams();
  if (view.org) params.set("org", view.org);
  if (typeof view.period === "string") {
    params.set("period", view.period);
  } else {
    params.set("from", view.period.from);
    params.set("to", view.period.to);
  }
  params.set("tz", view.zone);
  if (view.comparison !== DEFAULT_COMPARISON) params.set("compare", view.comparison);
  for (const [filter, name] of Object.entries(FILTER_PARAMS)) {
    for (const value of view[filter as ListFilter]) params.append(name, value);
  }
  if (view.merged) params.set("merged", view.merged);
  if (view.split !== DEFAULT_SPLIT) params.set("split", view.split);
  if (view.order !== DEFAULT_ORDER) params.set("order", view.order);
  if (view.overlay) params.set("overlay", "previous");
  return `?${params}`;
}

export type ChangeView = (change: Partial<View>, mode?: "push" | "replace") => void;

/** Returns the view of the current URL, and a function that navigates to a changed one. */
export function useView(): [ParsedView, ChangeView] {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const onPopState = () => setSearch(location.search);
    addEventListener("popstate", onPopState);
    return () => removeEventListener("popstate", onPopState);
  }, []);
  const parsed = parseView(search);
  const changeView: ChangeView = (change, mode = "push") => {
    const next = serializeView({ ...parsed.view, ...change });
    if (next !== location.search) history[`${mode}State`](null, "", next);
    setSearch(next);
  };
  return [parsed, changeView];
}
