/** The state of the dashboard, stored in the query string. It never contains the token. */

import { useSyncExternalStore } from "react";

import { keysOf, type Measure, MEASURES, ORIGIN_NAMES, SIZE_NAMES } from "./measures";
import { BROWSER_ZONE, canonicalZone, type Comparison, COMPARISONS, dateRangeProblem, DEFAULT_PRESET, type Period, PRESETS } from "./period";

/** The filters: the query parameter, the field of the API, the label, and the names of the values, unless they are ids. */
export const FILTERS = {
  users: { param: "user", field: "userIds", label: "Users", names: null },
  serviceUsers: { param: "service_user", field: "serviceUserIds", label: "Service users", names: null },
  playbooks: { param: "playbook", field: "playbookIds", label: "Playbooks", names: null },
  origins: { param: "origin", field: "origins", label: "Origin", names: ORIGIN_NAMES },
  sizes: { param: "size", field: "sizes", label: "Size", names: SIZE_NAMES },
  merged: { param: "merged", field: "hasMergedPr", label: "Merged", names: { yes: "Merged", no: "Not merged" } },
} as const;
export type FilterId = keyof typeof FILTERS;

/** The chosen values of each filter. Without any, it is not in use. */
type Filters = { [Id in FilterId]: ((typeof FILTERS)[Id]["names"] extends null ? string : keyof (typeof FILTERS)[Id]["names"])[] };
export const NO_FILTERS = Object.fromEntries(keysOf(FILTERS).map((id) => [id, []])) as unknown as Filters;

/** The splits of the bars of sessions over time: the filter by their values, and the field of a bucket. */
export const SPLITS = {
  origin: { filter: "origins", field: "sessionsCreatedByOrigin" },
  size: { filter: "sizes", field: "sessionsCreatedBySize" },
} as const;

export interface View extends Filters {
  /** `ENTERPRISE` for all organizations; empty for the default of the token. */
  org: string;
  period: Period;
  comparison: Comparison;
  /** An IANA time zone. */
  zone: string;
  split: keyof typeof SPLITS;
  /** The measure that rankings are ordered by. */
  order: Measure;
  /** Whether the previous period is drawn, too. */
  overlay: boolean;
}

export const ENTERPRISE = "*";
export const DEFAULT_ORDER: Measure = "sessionsCreatedCount";
/** The values of parameters that a URL omits. */
const DEFAULTS = { compare: "previous", split: "origin", order: DEFAULT_ORDER } as const;

export function filtersOf(view: View): FilterId[] {
  return keysOf(FILTERS).filter((id) => view[id].length > 0);
}

/** Returns a change of the view: to a filter by one value or, if that is the current filter, to none. */
export function toggleFilter(view: View, id: FilterId, value: string): Partial<View> {
  const [first, ...others]: string[] = view[id];
  return { [id]: first === value && !others.length ? [] : [value] };
}

const PARAMS = ["org", "period", "from", "to", "compare", "tz", ...Object.values(FILTERS).map(({ param }) => param as string), "split", "order", "overlay"];

/** Returns the view of a URL, its first problem or "", which hides the metrics, and notices of parameters that are ignored or replaced. */
function parseView(search: string) {
  const params = new URLSearchParams(search);
  const problems: string[] = [];
  const ignored = [...new Set(params.keys())].filter((name) => !PARAMS.includes(name));
  const notices = ignored.map((name) => `“${name}” in the address is not known, and is ignored.`);
  const someOf = <Value extends string>(name: string, given: string[], values: readonly Value[]): Value[] => {
    const unknown = given.find((value) => !values.includes(value as Value));
    if (unknown !== undefined) problems.push(`“${name}=${unknown}” is not known. Possible values: ${values.filter(Boolean).join(", ")}.`);
    return values.filter((value) => given.includes(value));
  };
  const oneOf = <Value extends string>(name: string, values: readonly Value[], byDefault: Value): Value =>
    someOf(name, params.getAll(name).slice(0, 1), values)[0] ?? byDefault;
  const valuesOf = (id: FilterId): string[] => {
    const { param, names } = FILTERS[id];
    // Of contrary values of `merged`, the first applies.
    const given = [...new Set(params.getAll(param))].slice(0, id === "merged" ? 1 : undefined).filter(Boolean);
    return names ? someOf(param, given, Object.keys(names)) : given;
  };
  const [from, to] = [params.get("from") ?? "", params.get("to") ?? ""];
  let period: Period = oneOf("period", keysOf(PRESETS), DEFAULT_PRESET);
  if (from || to) {
    if (params.has("period")) problems.push("The address has “period” and dates. It needs one of them.");
    problems.push(dateRangeProblem(from, to));
    period = { from, to };
  }
  const givenZone = params.get("tz") ?? BROWSER_ZONE;
  const zone = canonicalZone(givenZone);
  if (!zone) notices.push(`“${givenZone}” is not a known time zone. Days are in UTC.`);
  const view: View = {
    org: params.get("org") ?? "",
    period,
    comparison: oneOf("compare", keysOf(COMPARISONS), DEFAULTS.compare),
    zone: zone ?? "UTC",
    ...(Object.fromEntries(keysOf(FILTERS).map((id) => [id, valuesOf(id)])) as Filters),
    split: oneOf("split", keysOf(SPLITS), DEFAULTS.split),
    order: oneOf("order", keysOf(MEASURES), DEFAULTS.order),
    overlay: oneOf("overlay", ["", "previous"], "") !== "",
  };
  return { view, problem: problems.find(Boolean) ?? "", notices };
}

function serializeView(view: View): string {
  const { period } = view;
  const params = [
    ["org", view.org],
    ...Object.entries(typeof period === "string" ? { period } : period),
    ["tz", view.zone],
    ["compare", view.comparison],
    ...keysOf(FILTERS).flatMap((id) => view[id].map((value) => [FILTERS[id].param, value])),
    ["split", view.split],
    ["order", view.order],
    ["overlay", view.overlay ? "previous" : ""],
  ] as [string, string][];
  return `?${new URLSearchParams(params.filter(([name, value]) => value && value !== DEFAULTS[name as keyof typeof DEFAULTS]))}`;
}

/** Returns the view of the current URL, and a function that navigates to a changed one. */
export function useView() {
  const parsed = parseView(useSyncExternalStore(onNavigation, () => location.search));
  const changeView = (change: Partial<View>, mode: "push" | "replace" = "push") => {
    const next = serializeView({ ...parsed.view, ...change });
    if (next === location.search) return;
    history[`${mode}State`](null, "", next);
    dispatchEvent(new PopStateEvent("popstate"));
  };
  return { ...parsed, changeView };
}

function onNavigation(listener: () => void) {
  addEventListener("popstate", listener);
  return () => removeEventListener("popstate", listener);
}
