/** The GraphQL query of a view, assembled from the fields of each card. */

import { chooseInterval, type Interval, TIME_ZONE, toTimeRange } from "./period";
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

/** The metrics of a row of a breakdown. */
export interface BreakdownRow {
  sessionsCreatedCount: number;
  sessionsWithMergedPrsCount: number;
  avgAcusPerSession: number;
}

export interface UserRow extends BreakdownRow {
  user: { id: string; kind: "USER" | "SERVICE_USER" };
}

export interface PlaybookRow extends BreakdownRow {
  playbook: { id: string };
}

export interface Breakdown<Row> {
  totalCount: number;
  nodes: Row[];
}

/** The response. A field with an error is null. */
export interface Metrics extends Totals {
  sessionsCreatedBySize: BySize;
  sessionsWithMergedPrsBySize: BySize;
  previousPeriod: { change: { [Name in keyof Totals]: number | null } } | null;
  timeSeries: Bucket[] | null;
  byUser: Breakdown<UserRow> | null;
  byPlaybook: Breakdown<PlaybookRow> | null;
}

export interface Viewer {
  name: string;
  organizations: { id: string }[] | null;
}

export interface SessionMetricsFilters {
  timeAfter: string;
  timeBefore: string;
  userIds?: string[];
  serviceUserIds?: string[];
  playbookId?: string;
}

export interface MetricsQuery {
  org: string;
  filters: SessionMetricsFilters;
  interval: Interval;
  timeZone: string;
}

export const VIEWER_DOCUMENT = "query Viewer { viewer { name organizations(first: 1000) { id } } }";

/** The fields of a `BreakdownRow`. */
const ROW_FIELDS = "sessionsCreatedCount sessionsWithMergedPrsCount avgAcusPerSession";

/** The fields of each card. `INTERVAL` and `TIME_ZONE` are placeholders. */
export const CARD_FIELDS = {
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
        ${ROW_FIELDS}
      }
    }`,
  playbooks: `byPlaybook(first: 10) {
      totalCount
      nodes {
        playbook { id }
        ${ROW_FIELDS}
      }
    }`,
};
export type CardId = keyof typeof CARD_FIELDS;

/** Returns the document with the fields of some cards. */
export function buildDocument(cards: CardId[], { interval, timeZone }: MetricsQuery): string {
  const fields = cards
    .map((card) => CARD_FIELDS[card].replace("INTERVAL", interval).replace("TIME_ZONE", JSON.stringify(timeZone)))
    .join("\n    ");
  const name = cards.length === 1 ? cards[0]!.replace(/^./, (letter) => letter.toUpperCase()) : "Dashboard";
  return `query ${name}($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    ${fields}
  }
}`;
}

/** Returns the query of a view, whose period may end now. */
export function toMetricsQuery(view: View, now: Date): MetricsQuery {
  const range = toTimeRange(view.period, now);
  const filters: SessionMetricsFilters = { timeAfter: range.after.toISOString(), timeBefore: range.before.toISOString() };
  if (view.users.length) filters.userIds = view.users;
  if (view.serviceUsers.length) filters.serviceUserIds = view.serviceUsers;
  if (view.playbook) filters.playbookId = view.playbook;
  return { org: view.org, filters, interval: chooseInterval(range), timeZone: TIME_ZONE };
}

/** Returns the variables of the document. */
export function toVariables({ org, filters }: MetricsQuery): object {
  return { org, filters };
}
