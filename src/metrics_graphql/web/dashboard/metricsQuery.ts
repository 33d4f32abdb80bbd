/** The GraphQL query of a view, assembled from the fields of each card. */

import { type Measure, type Measures, MEASURES, type Origin, ORIGIN_NAMES, type Size, SIZE_NAMES } from "./measures";
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

/** A row of a breakdown. One of its fields, named by `BREAKDOWNS`, is what the row is about. */
export type Row = Measures & { [node: string]: Named | string };

export interface RowPage {
  totalCount: number;
  nodes: Row[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** The breakdowns, which are cards: the field of the API, the field of its rows, and what a row is. */
export const BREAKDOWNS = {
  organizations: { field: "byOrganization", node: "organization", title: "Organizations", noun: "organization" },
  users: { field: "byUser", node: "user", title: "Users", noun: "user" },
  serviceUsers: { field: "byServiceUser", node: "serviceUser", title: "Service users", noun: "service user" },
  playbooks: { field: "byPlaybook", node: "playbook", title: "Playbooks", noun: "playbook" },
  origins: { field: "byOrigin", node: "origin", title: "By origin", noun: "origin" },
  sizes: { field: "bySize", node: "size", title: "By size", noun: "size" },
} as const;
export type BreakdownId = keyof typeof BREAKDOWNS;
export const RANKINGS = ["users", "serviceUsers", "playbooks"] as const;

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
export interface MetricsVariables {
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
export const VIEWER_DOCUMENT = `query Viewer { viewer { name enterprise permissions organizations(first: ${MAX_ORGANIZATIONS}) { id name } } }`;

export const OPTIONS_DOCUMENT = `query Options($org: ID, $kind: FilterOptionKind!, $search: String!) {
  filterOptions(orgId: $org, kind: $kind, search: $search, first: 50) { id name }
}`;

const SERIES = "timeSeries(interval: $interval, timeZone: $timeZone)";
const ACTIVE_USERS = "activeUsers: byUser(first: 1) { totalCount }";

/** The fields of each card: of the period, of the one before, and whether it is known that the data reach back. */
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
    previous: `${SERIES} { period { startsAt endsAt } sessionsCreatedCount }`,
  },
  acus: { metrics: `${SERIES} { period { startsAt endsAt } sessionsCreatedCount acusConsumed avgAcusPerSession }` },
  ...Object.fromEntries(
    Object.entries(BREAKDOWNS).map(([id, { field, node }]) => {
      const isEnum = node === "origin" || node === "size";
      const page = isEnum ? "" : "(first: $first, after: $after, orderBy: $order)";
      const rest = isEnum ? "" : " totalCount pageInfo { hasNextPage endCursor }";
      return [id, { metrics: `${field}${page} {${rest} nodes { ${node}${isEnum ? "" : " { id name }"} ...Measures } }` }];
    }),
  ),
};
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

/** Returns the document with the fields of some cards. It is the same text for each view, so that it can be a trusted document. */
export function buildDocument(cards: CardId[], org: string): string {
  const name = cards.length === 1 ? cards[0]!.replace(/^./, (letter) => letter.toUpperCase()) : "Dashboard";
  const field = org === ENTERPRISE ? "enterpriseSessionMetrics(filters: $" : "sessionMetrics(orgId: $org, filters: $";
  const roots = (["metrics", "previous", "earlier"] as const).flatMap((alias) => {
    const fields = cards.flatMap((card) => CARD_FIELDS[card]![alias] ?? []);
    const argument = alias === "metrics" ? "filters" : alias;
    return fields.length ? [`  ${alias}: ${field}${argument}) {\n    ${fields.join("\n").replaceAll("\n", "\n    ")}\n  }`] : [];
  });
  const selection = `{\n${roots.join("\n")}\n}`;
  const variables = variablesOf(selection).map((variable) => `$${variable}: ${VARIABLE_TYPES[variable]}`);
  const fragment = selection.includes("...Measures") ? `\n${FRAGMENT}` : "";
  return `query ${name}(${variables.join(", ")}) ${selection}${fragment}`;
}

/** The document that finds the newest session. */
export function historyDocument(org: string): string {
  const [parameter, argument] = org === ENTERPRISE ? ["", "enterpriseSessionMetrics("] : ["$org: ID!, ", "sessionMetrics(orgId: $org, "];
  return `query History(${parameter}$filters: SessionMetricsFilters!, $interval: TimeInterval!, $timeZone: String!) {
  metrics: ${argument}filters: $filters) { ${SERIES} { period { startsAt endsAt } sessionsCreatedCount } }
}`;
}

/** Returns the documents that the dashboard sends. */
export function allDocuments(): string[] {
  const ofScope = (org: string) => [buildDocument(cardsOf(org), org), ...cardsOf(org).map((card) => buildDocument([card], org)), historyDocument(org)];
  return [VIEWER_DOCUMENT, OPTIONS_DOCUMENT, ...ofScope(""), ...ofScope(ENTERPRISE)];
}

/** Returns the variables that a text uses. */
function variablesOf(text: string): (keyof MetricsVariables)[] {
  return (Object.keys(VARIABLE_TYPES) as (keyof MetricsVariables)[]).filter((variable) => new RegExp(`\\$${variable}\\b`).test(text));
}

/** A document and its variables. */
export interface MetricsRequest {
  query: string;
  variables: Partial<MetricsVariables>;
}

/** Returns the request for some cards. */
export function buildRequest(cards: CardId[], { variables }: MetricsQuery): MetricsRequest {
  const query = buildDocument(cards, variables.org);
  return { query, variables: Object.fromEntries(variablesOf(query).map((name) => [name, variables[name]])) };
}

/** The number of rows of a ranking before all are shown. */
const FIRST_ROWS = 10;

/** Returns the query of a view, whose period may end now. */
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
      order: { field: enumName(view.order), direction: "DESC" },
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

/** Returns the value of an enum for a field, like `ACUS_CONSUMED`. */
function enumName(measure: Measure): string {
  return measure.replace(/[A-Z]/g, "_$&").toUpperCase();
}
