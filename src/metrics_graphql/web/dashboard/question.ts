/** The one request of a view, and the parts of it that each card shows. */

import { intervalOf, type Interval, spanOf, TIME_ZONE } from "./period";
import type { View } from "./view";

export const SIZES = ["xs", "s", "m", "l", "xl"] as const;
export const ORIGINS = ["webapp", "slack", "api", "linear", "jira", "teams", "desktop", "automation"] as const;
export type BySize = Record<(typeof SIZES)[number], number>;
export type ByOrigin = Record<(typeof ORIGINS)[number], number>;

export interface Totals {
  sessionsCreatedCount: number;
  sessionsWithMergedPrsCount: number;
  sessionsCreatedWithPlaybookCount: number;
  sessionsCreatedWithSearchCount: number;
  avgAcusPerSession: number;
}

export interface Bucket {
  period: { startsAt: string; endsAt: string };
  sessionsCreatedCount: number;
  sessionsCreatedBySize: BySize;
  sessionsCreatedByOrigin: ByOrigin;
  sessionsWithMergedPrsCount: number;
  avgAcusPerSession: number;
}

/** What a row of a ranking measures. */
export interface Row {
  sessionsCreatedCount: number;
  sessionsWithMergedPrsCount: number;
  avgAcusPerSession: number;
}

export interface UserRow extends Row {
  user: { id: string; kind: "USER" | "SERVICE_USER" };
}

export interface PlaybookRow extends Row {
  playbook: { id: string };
}

export interface Ranked<R> {
  totalCount: number;
  nodes: R[];
}

/** The answer; a part that could not be read is null. */
export interface Metrics extends Totals {
  sessionsCreatedBySize: BySize;
  sessionsWithMergedPrsBySize: BySize;
  previousPeriod: { change: { [Name in keyof Totals]: number | null } } | null;
  timeSeries: Bucket[] | null;
  byUser: Ranked<UserRow> | null;
  byPlaybook: Ranked<PlaybookRow> | null;
}

export interface Viewer {
  name: string;
  organizations: { id: string }[] | null;
}

export interface Filters {
  timeAfter: string;
  timeBefore: string;
  userIds?: string[];
  serviceUserIds?: string[];
  playbookId?: string;
}

export interface Question {
  org: string;
  filters: Filters;
  interval: Interval;
  timeZone: string;
}

/** Who is asking: what there is before an organization is chosen. */
export const VIEWER_QUERY = "query Viewer { viewer { name organizations(first: 1000) { id } } }";

/** The fields of a `Row`. */
const ROW = "sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession";

/** What the cards show, by card. `INTERVAL` and `TIME_ZONE` stand for the question's. */
export const PARTS = {
  totals: `sessionsCreatedCount
    sessionsWithMergedPrsCount
    sessionsCreatedWithPlaybookCount
    sessionsCreatedWithSearchCount
    avgAcusPerSession
    previousPeriod {
      change {
        sessionsCreatedCount
        sessionsWithMergedPrsCount
        sessionsCreatedWithPlaybookCount
        sessionsCreatedWithSearchCount
        avgAcusPerSession
      }
    }`,
  overTime: `timeSeries(interval: INTERVAL, timeZone: TIME_ZONE) {
      period { startsAt endsAt }
      sessionsCreatedCount
      sessionsCreatedBySize { ${SIZES.join(" ")} }
      sessionsCreatedByOrigin { ${ORIGINS.join(" ")} }
      sessionsWithMergedPrsCount
    }`,
  merged: `sessionsCreatedBySize { ${SIZES.join(" ")} }
    sessionsWithMergedPrsBySize { ${SIZES.join(" ")} }`,
  acus: `timeSeries(interval: INTERVAL, timeZone: TIME_ZONE) {
      period { startsAt endsAt }
      avgAcusPerSession
    }`,
  users: `byUser(first: 10) {
      totalCount
      nodes {
        user { id kind }
        ${ROW}
      }
    }`,
  playbooks: `byPlaybook(first: 10) {
      totalCount
      nodes {
        playbook { id }
        ${ROW}
      }
    }`,
};
export type Part = keyof typeof PARTS;

/** The query of some parts of a view. */
export function queryOf(parts: Part[], { interval, timeZone }: Question): string {
  const fields = parts
    .map((part) => PARTS[part].replace("INTERVAL", interval).replace("TIME_ZONE", JSON.stringify(timeZone)))
    .join("\n    ");
  const name = parts.length === 1 ? parts[0]!.replace(/^./, (letter) => letter.toUpperCase()) : "Dashboard";
  return `query ${name}($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    ${fields}
  }
}`;
}

/** What a view asks at an instant. */
export function questionOf(view: View, now: Date): Question {
  const span = spanOf(view.period, now);
  const filters: Filters = { timeAfter: span.after.toISOString(), timeBefore: span.before.toISOString() };
  if (view.users.length) filters.userIds = view.users;
  if (view.serviceUsers.length) filters.serviceUserIds = view.serviceUsers;
  if (view.playbook) filters.playbookId = view.playbook;
  return { org: view.org, filters, interval: intervalOf(span), timeZone: TIME_ZONE };
}

/** The variables of that query. */
export function variablesOf({ org, filters }: Question): object {
  return { org, filters };
}
