/** The measures of sessions, the names of origins and sizes, and formats of numbers. */

export const ORIGIN_NAMES = {
  webapp: "Web app",
  slack: "Slack",
  api: "API",
  linear: "Linear",
  jira: "Jira",
  teams: "Teams",
  desktop: "Desktop app",
  automation: "Automation",
  other: "Elsewhere",
};
export const SIZE_NAMES = { xs: "XS", s: "S", m: "M", l: "L", xl: "XL", other: "No size" };

/** The measures of every total and row, by field of the API. */
export const MEASURES = {
  sessionsCreatedCount: "Sessions",
  sessionsWithMergedPrsCount: "Sessions with merged PRs",
  sessionsCreatedWithPlaybookCount: "Sessions from a playbook",
  sessionsCreatedWithSearchCount: "Sessions with search",
  acusConsumed: "ACUs",
  avgAcusPerSession: "ACUs per session",
  prsCreatedCount: "Pull requests",
  prsOpenedCount: "Open pull requests",
  prsMergedCount: "Merged pull requests",
  prsClosedCount: "Closed pull requests",
};
export type Measure = keyof typeof MEASURES;
export type Measures = Record<Measure, number>;

/** Returns the keys of an object that has no others than its type. */
export function keysOf<Key extends string>(object: Record<Key, unknown>): Key[] {
  return Object.keys(object) as Key[];
}

/** Returns the ratio of two numbers; null for a denominator of 0. */
export function ratio(numerator: number, denominator: number): number | null {
  return denominator ? numerator / denominator : null;
}

// Formats are created once, because their creation takes longer than formatting.
const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const AVERAGE = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const LARGE_NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const PERCENT = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const SMALL_PERCENT = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const CHANGE = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
const LARGE_CHANGE = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });

/** Formats a number: large ones without decimals. Null is a dash. */
export function formatNumber(value: number | null, format = NUMBER): string {
  if (value === null) return "–";
  return (Math.abs(value) >= 100 ? LARGE_NUMBER : format).format(value);
}

/** Formats an average, with as many decimals as others of its list. */
export const formatAverage = (value: number | null) => formatNumber(value, AVERAGE);

export function formatPercent(value: number): string {
  return (value < 0.1 ? SMALL_PERCENT : PERCENT).format(value);
}

export function formatChange(value: number): string {
  return (Math.abs(value) < 1 ? CHANGE : LARGE_CHANGE).format(value);
}
