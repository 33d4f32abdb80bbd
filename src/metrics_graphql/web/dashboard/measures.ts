/** The measures of sessions, and the names of origins and sizes. */

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
export type Origin = keyof typeof ORIGIN_NAMES;
export const SIZE_NAMES = { xs: "XS", s: "S", m: "M", l: "L", xl: "XL", other: "No size" };
export type Size = keyof typeof SIZE_NAMES;

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

/** Returns the ratio of two numbers; null for a denominator of 0. */
export function ratio(numerator: number, denominator: number): number | null {
  return denominator ? numerator / denominator : null;
}

/** Formats a number: large ones without decimals. Null is a dash. */
export function formatNumber(value: number | null): string {
  if (value === null) return "–";
  return value.toLocaleString(undefined, { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 2 });
}

/** Formats a ratio as a percentage. */
export function percent(value: number): string {
  return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 });
}

/** Formats a relative change. */
export function signedPercent(value: number): string {
  return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: Math.abs(value) < 1 ? 1 : 0, signDisplay: "exceptZero" });
}
