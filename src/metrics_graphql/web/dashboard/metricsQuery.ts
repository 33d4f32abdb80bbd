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
  user: { id: string; name: string | null };
}

export interface ServiceUserRow extends BreakdownRow {
  serviceUser: { id: string; name: string | null };
}

export interface PlaybookRow extends BreakdownRow {
  playbook: { id: string; name: string | null };
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
  byServiceUser: Breakdown<ServiceUserRow> | null;
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
  playbookIds?: string[];
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

/** The fields of each card. */
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
  overTime: `timeSeries(interval: $interval, timeZone: $timeZone) {
      period { startsAt endsAt }
      sessionsCreatedCount
      sessionsCreatedBySize { ${SIZES.join(" ")} }
      sessionsCreatedByOrigin { ${ORIGINS.join(" ")} }
      sessionsWithMergedPrsCount
    }`,
  merged: `sessionsCreatedBySize { ${SIZES.join(" ")} }
    sessionsWithMergedPrsBySize { ${SIZES.join(" ")} }`,
  acus: `timeSeries(interval: $interval, timeZone: $timeZone) {
      period { startsAt endsAt }
      avgAcusPerSession
    }`,
  users: `byUser(first: 10) {
      totalCount
      nodes {
        user { id name }
        ${ROW_FIELDS}
      }
    }`,
  serviceUsers: `byServiceUser(first: 10) {
      totalCount
      nodes {
        serviceUser { id name }
        ${ROW_FIELDS}
      }
    }`,
  playbooks: `byPlaybook(first: 10) {
      totalCount
      nodes {
        playbook { id name }
        ${ROW_FIELDS}
      }
    }`,
};
export type CardId = keyof typeof CARD_FIELDS;

export const CARD_IDS = Object.keys(CARD_FIELDS) as CardId[];

const VARIABLE_TYPES = { org: "ID!", filters: "SessionMetricsFilters!", interval: "TimeInterval!", timeZone: "String!" };

/** Returns the document with the fields of some cards. It is the same text for each view, so that it can be a trusted document. */
export function buildDocument(cards: CardId[]): string {
  const name = cards.length === 1 ? cards[0]!.replace(/^./, (letter) => letter.toUpperCase()) : "Dashboard";
  const selection = `{
  sessionMetrics(orgId: $org, filters: $filters) {
    ${cards.map((card) => CARD_FIELDS[card]).join("\n    ")}
  }
}`;
  const variables = variablesOf(selection).map((variable) => `$${variable}: ${VARIABLE_TYPES[variable]}`);
  return `query ${name}(${variables.join(", ")}) ${selection}`;
}

/** Returns the variables that a text uses. */
function variablesOf(text: string): (keyof MetricsQuery)[] {
  return (Object.keys(VARIABLE_TYPES) as (keyof MetricsQuery)[]).filter((variable) => text.includes(`$${variable}`));
}

/** A document and its variables. */
export interface MetricsRequest {
  query: string;
  variables: Partial<MetricsQuery>;
}

/** Returns the request for some cards. */
export function buildRequest(cards: CardId[], metricsQuery: MetricsQuery): MetricsRequest {
  const query = buildDocument(cards);
  const variables = Object.fromEntries(variablesOf(query).map((variable) => [variable, metricsQuery[variable]]));
  return { query, variables };
}

/** Returns the query of a view, whose period may end now. */
export function toMetricsQuery(view: View, now: Date): MetricsQuery {
  const range = toTimeRange(view.period, now);
  const filters: SessionMetricsFilters = { timeAfter: range.after.toISOString(), timeBefore: range.before.toISOString() };
  if (view.users.length) filters.userIds = view.users;
  if (view.serviceUsers.length) filters.serviceUserIds = view.serviceUsers;
  if (view.playbook) filters.playbookIds = [view.playbook];
  return { org: view.org, filters, interval: chooseInterval(range), timeZone: TIME_ZONE };
}
