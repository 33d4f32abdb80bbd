/** The GraphQL documents and variables of the dashboard. The document of a view is assembled from the fields of each card. */

import type { GraphQLRequest } from "../shared/api";
import { capitalize, type Measures, MEASURES, type Origin, ORIGIN_NAMES, type Size, SIZE_NAMES } from "./measures";
import { chooseInterval, type Interval, type TimeRange, toTimeRanges } from "./period";
import { ENTERPRISE, type View } from "./view";

export interface Bucket extends Measures {
  period: { startsAt: string; endsAt: string };
  sessionsCreatedBySize: Record<Size, number>;
  sessionsCreatedByOrigin: Record<Origin, number>;
}

/** A user, service user, playbook or organization. */
export interface Named {
  id: string;
  name: string | null;
}

/** A row of a breakdown. `BREAKDOWNS` names its field with the subject: an object or, for origins and sizes, an enum value. */
export type Row = Measures & { [node: string]: Named | string };

export interface RowPage {
  totalCount: number;
  nodes: Row[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** The breakdowns, each a card: the field of the API, the field of its rows with the subject, and its texts. */
export const BREAKDOWNS = {
  organizations: { field: "byOrganization", node: "organization", title: "Organizations", noun: "organization" },
  users: { field: "byUser", node: "user", title: "Users", noun: "user" },
  serviceUsers: { field: "byServiceUser", node: "serviceUser", title: "Service users", noun: "service user" },
  playbooks: { field: "byPlaybook", node: "playbook", title: "Playbooks", noun: "playbook" },
  origins: { field: "byOrigin", node: "origin", title: "By origin", noun: "origin" },
  sizes: { field: "bySize", node: "size", title: "By size", noun: "size" },
} as const;
export type BreakdownId = keyof typeof BREAKDOWNS;
/** The ranked breakdowns of an organization. Filters search their subjects by name or id. */
export const RANKINGS = ["users", "serviceUsers", "playbooks"] as const;
export type RankingId = (typeof RANKINGS)[number];

/** Whether the subjects of a breakdown are enum values. Such a breakdown is a list without pages. */
export function isEnumBreakdown(id: BreakdownId): id is "origins" | "sizes" {
  return id === "origins" || id === "sizes";
}

export interface Totals extends Measures {
  activeUsers: { totalCount: number } | null;
  timeSeries: Bucket[] | null;
}

export type Metrics = Totals & { [Field in (typeof BREAKDOWNS)[BreakdownId]["field"]]?: RowPage | null };

/** The response. A field with an error is null. */
export interface DashboardData {
  metrics: Metrics | null;
  previous: Totals | null;
  /** The sessions of all time before the previous period, without filters. */
  earlier: { sessionsCreatedCount: number } | null;
}

export interface Viewer {
  name: string;
  enterprise: boolean;
  permissions: string[];
  organizations: Named[] | null;
}

export interface SessionMetricsFilters {
  timeAfter: string;
  timeBefore: string;
  userIds?: string[];
  serviceUserIds?: string[];
  playbookIds?: string[];
  origins?: string[];
  sizes?: string[];
  hasMergedPr?: boolean;
}

/** The variables of the documents. */
interface MetricsVariables {
  org: string;
  filters: SessionMetricsFilters;
  previous: SessionMetricsFilters;
  earlier: SessionMetricsFilters;
  interval: Interval;
  timeZone: string;
  first: number;
  after: string | null;
  order: { field: string; direction: "DESC" };
}

export interface MetricsQuery {
  variables: MetricsVariables;
  current: TimeRange;
  previous: TimeRange;
}

export const MAX_ORGANIZATIONS = 1000;
export const MAX_OPTIONS = 50;
export const VIEWER_DOCUMENT = `query Viewer { viewer { name enterprise permissions organizations(first: ${MAX_ORGANIZATIONS}) { id name } } }`;

export const OPTIONS_DOCUMENT = `query Options($org: ID, $kind: FilterOptionKind!, $search: String!) {
  filterOptions(orgId: $org, kind: $kind, search: $search, first: ${MAX_OPTIONS}) { id name }
}`;

const SERIES = "timeSeries(interval: $interval, timeZone: $timeZone)";
const SESSIONS_SERIES = `${SERIES} { period { startsAt endsAt } sessionsCreatedCount }`;
const ACTIVE_USERS = "activeUsers: byUser(first: 1) { totalCount }";

/** The fields of each card by alias, as in `DashboardData`. */
const CARD_FIELDS: Record<string, { metrics: string; previous?: string; earlier?: string }> = {
  totals: { metrics: `...Measures\n${ACTIVE_USERS}`, previous: `...Measures\n${ACTIVE_USERS}`, earlier: "sessionsCreatedCount" },
  overTime: {
    metrics: `${SERIES} {
  period { startsAt endsAt }
  sessionsCreatedCount
  sessionsWithMergedPrsCount
  sessionsCreatedByOrigin { ${Object.keys(ORIGIN_NAMES).join(" ")} }
  sessionsCreatedBySize { ${Object.keys(SIZE_NAMES).join(" ")} }
}`,
    previous: SESSIONS_SERIES,
  },
  acus: { metrics: `${SERIES} { period { startsAt endsAt } sessionsCreatedCount acusConsumed avgAcusPerSession }` },
  ...Object.fromEntries((Object.keys(BREAKDOWNS) as BreakdownId[]).map((id) => [id, { metrics: breakdownField(id) }])),
};

function breakdownField(id: BreakdownId): string {
  const { field, node } = BREAKDOWNS[id];
  if (isEnumBreakdown(id)) return `${field} { nodes { ${node} ...Measures } }`;
  return `${field}(first: $first, after: $after, orderBy: $order) { totalCount pageInfo { hasNextPage endCursor } nodes { ${node} { id name } ...Measures } }`;
}

export type CardId = "totals" | "overTime" | "acus" | BreakdownId;

const ENTERPRISE_CARD_IDS = Object.keys(CARD_FIELDS) as CardId[];
const CARD_IDS = ENTERPRISE_CARD_IDS.filter((id) => id !== "organizations");
/** Returns the cards of an organization or of the enterprise. */
export const cardsOf = (org: string) => (org === ENTERPRISE ? ENTERPRISE_CARD_IDS : CARD_IDS);

const VARIABLE_TYPES: Record<keyof MetricsVariables, string> = {
  org: "ID!",
  filters: "SessionMetricsFilters!",
  previous: "SessionMetricsFilters!",
  earlier: "SessionMetricsFilters!",
  interval: "TimeInterval!",
  timeZone: "String!",
  first: "Int!",
  after: "String",
  order: "SessionMetricsOrder!",
};

const FRAGMENT = `fragment Measures on SessionAggregates {
  ${Object.keys(MEASURES).join("\n  ")}
}`;

/** Returns the document with the fields of some cards. Views differ in variables only, so that it can be a trusted document. */
export function buildDocument(cards: CardId[], org: string): string {
  const name = cards.length === 1 ? capitalize(cards[0]!) : "Dashboard";
  const roots = (["metrics", "previous", "earlier"] as const).flatMap((alias) => {
    const fields = cards.flatMap((card) => CARD_FIELDS[card]![alias] ?? []);
    const root = rootField(org, alias === "metrics" ? "filters" : alias);
    return fields.length ? [`  ${alias}: ${root} {\n    ${fields.join("\n").replaceAll("\n", "\n    ")}\n  }`] : [];
  });
  return toDocument(name, `{\n${roots.join("\n")}\n}`);
}

/** Returns the document that finds the newest session. */
function buildHistoryDocument(org: string): string {
  return toDocument("History", `{\n  metrics: ${rootField(org, "filters")} { ${SESSIONS_SERIES} }\n}`);
}

/** Returns the field of the metrics that match the filters in a variable. */
function rootField(org: string, variable: keyof MetricsVariables): string {
  return org === ENTERPRISE ? `enterpriseSessionMetrics(filters: $${variable})` : `sessionMetrics(orgId: $org, filters: $${variable})`;
}

/** Returns a named query, with the variables and the fragment that its selection uses. */
function toDocument(name: string, selection: string): string {
  const variables = variablesOf(selection).map((variable) => `$${variable}: ${VARIABLE_TYPES[variable]}`);
  const fragment = selection.includes("...Measures") ? `\n${FRAGMENT}` : "";
  return `query ${name}(${variables.join(", ")}) ${selection}${fragment}`;
}

/** Returns the documents that the dashboard sends. */
export function allDocuments(): string[] {
  const documentsOf = (org: string) => [buildDocument(cardsOf(org), org), ...cardsOf(org).map((card) => buildDocument([card], org)), buildHistoryDocument(org)];
  return [VIEWER_DOCUMENT, OPTIONS_DOCUMENT, ...documentsOf(""), ...documentsOf(ENTERPRISE)];
}

/** Returns the variables that a text uses. */
function variablesOf(text: string): (keyof MetricsVariables)[] {
  return (Object.keys(VARIABLE_TYPES) as (keyof MetricsVariables)[]).filter((variable) => new RegExp(`\\$${variable}\\b`).test(text));
}

/** Returns the request for some cards. */
export function buildRequest(cards: CardId[], { variables }: MetricsQuery): GraphQLRequest {
  return toRequest(buildDocument(cards, variables.org), variables);
}

/** Returns the request for the number of sessions by interval of a range. */
export function buildHistoryRequest({ variables }: MetricsQuery, interval: Interval, after: string, before: string): GraphQLRequest {
  const filters = { ...variables.filters, timeAfter: after, timeBefore: before };
  return toRequest(buildHistoryDocument(variables.org), { ...variables, filters, interval });
}

function toRequest(query: string, variables: MetricsVariables): GraphQLRequest {
  return { query, variables: Object.fromEntries(variablesOf(query).map((name) => [name, variables[name]])) };
}

/** The number of rows of a ranking until all are requested. */
const FIRST_ROWS = 10;

/** Returns the query of a view, with the range of its period at an instant. */
export function toMetricsQuery(view: View, now: Date): MetricsQuery {
  const { current, previous } = toTimeRanges(view.period, view.comparison, view.zone, now);
  const filters = { ...toBounds(current.after, current.before), ...toFilters(view) };
  return {
    current,
    previous,
    variables: {
      org: view.org,
      filters,
      previous: { ...filters, ...toBounds(previous.after, previous.before) },
      earlier: toBounds(new Date(0), previous.after),
      interval: chooseInterval(current),
      timeZone: view.zone,
      first: FIRST_ROWS,
      after: null,
      order: { field: toEnumValue(view.order), direction: "DESC" },
    },
  };
}

function toBounds(after: Date, before: Date) {
  return { timeAfter: after.toISOString(), timeBefore: (before < after ? after : before).toISOString() };
}

/** Returns the filters of a view, without its period. */
function toFilters(view: View): Partial<SessionMetricsFilters> {
  return {
    ...(view.users.length && { userIds: view.users }),
    ...(view.serviceUsers.length && { serviceUserIds: view.serviceUsers }),
    ...(view.playbooks.length && { playbookIds: view.playbooks }),
    ...(view.origins.length && { origins: view.origins.map((origin) => origin.toUpperCase()) }),
    ...(view.sizes.length && { sizes: view.sizes.map((size) => size.toUpperCase()) }),
    ...(view.merged && { hasMergedPr: view.merged === "yes" }),
  } as Partial<SessionMetricsFilters>;
}

/** Returns the enum value of a field, like `ACUS_CONSUMED`. */
export function toEnumValue(field: string): string {
  return field.replace(/[A-Z]/g, "_$&").toUpperCase();
}
