/** The GraphQL documents and variables of the dashboard. The document of a view is assembled from the fields of each card. */

import { keysOf, type Measures, MEASURES, ORIGIN_NAMES, SIZE_NAMES } from "./measures";
import { chooseInterval, toTimeRanges } from "./period";
import { ENTERPRISE, type FilterId, FILTERS, filtersOf, type View } from "./view";

export interface Bucket extends Measures {
  period: { startsAt: string; endsAt: string };
  sessionsCreatedBySize: Record<keyof typeof SIZE_NAMES, number>;
  sessionsCreatedByOrigin: Record<keyof typeof ORIGIN_NAMES, number>;
}

/** A user, service user, playbook or organization. */
export type Named = { id: string; name: string | null };

/** A row of a breakdown. `BREAKDOWNS` names its field with the subject: an object or, for origins and sizes, an enum value. */
export type Row = Measures & { [node: string]: Named | string };

export interface RowPage {
  totalCount: number;
  nodes: Row[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** The breakdowns, each a card: the field of the API, the field of its rows with the subject, and its texts. */
export const BREAKDOWNS = {
  organizations: { field: "byOrganization", node: "organization", title: "Organizations", noun: "Organization" },
  users: { field: "byUser", node: "user", title: "Users", noun: "User" },
  serviceUsers: { field: "byServiceUser", node: "serviceUser", title: "Service users", noun: "Service user" },
  playbooks: { field: "byPlaybook", node: "playbook", title: "Playbooks", noun: "Playbook" },
  origins: { field: "byOrigin", node: "origin", title: "By origin", noun: "Origin" },
  sizes: { field: "bySize", node: "size", title: "By size", noun: "Size" },
} as const;
export type BreakdownId = keyof typeof BREAKDOWNS;
/** The ranked breakdowns of an organization. Filters search their subjects by name or id. */
export const RANKINGS = ["users", "serviceUsers", "playbooks"] as const;

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

export const MAX_ORGANIZATIONS = 1000;
export const MAX_OPTIONS = 50;
export const VIEWER_DOCUMENT = `query Viewer { viewer { name enterprise permissions organizations(first: ${MAX_ORGANIZATIONS}) { id name } } }`;

export const OPTIONS_DOCUMENT = `query Options($org: ID, $kind: FilterOptionKind!, $search: String!) {
  filterOptions(orgId: $org, kind: $kind, search: $search, first: ${MAX_OPTIONS}) { id name }
}`;

const SERIES = "timeSeries(interval: $interval, timeZone: $timeZone)";
const TOTALS = "...Measures\nactiveUsers: byUser(first: 1) { totalCount }";

/** The fields of each card by alias, as in `DashboardData`. */
const CARD_FIELDS: Record<string, { metrics: string; previous?: string; earlier?: string }> = {
  totals: { metrics: TOTALS, previous: TOTALS, earlier: "sessionsCreatedCount" },
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
  ...Object.fromEntries(keysOf(BREAKDOWNS).map((id) => [id, { metrics: breakdownField(id) }])),
};

function breakdownField(id: BreakdownId): string {
  const { field, node } = BREAKDOWNS[id];
  if (isEnumBreakdown(id)) return `${field} { nodes { ${node} ...Measures } }`;
  return `${field}(first: $first, after: $after, orderBy: $order) { totalCount pageInfo { hasNextPage endCursor } nodes { ${node} { id name } ...Measures } }`;
}

export type CardId = "totals" | "overTime" | "acus" | BreakdownId;

export function cardsOf(org: string): CardId[] {
  const ids = Object.keys(CARD_FIELDS) as CardId[];
  return org === ENTERPRISE ? ids : ids.filter((id) => id !== "organizations");
}

const VARIABLE_TYPES = {
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
type Variable = keyof typeof VARIABLE_TYPES;

const FRAGMENT = `fragment Measures on SessionAggregates {
  ${Object.keys(MEASURES).join("\n  ")}
}`;

/** Returns the document with the fields of some cards. Views differ in variables only, so that it can be a trusted document. */
export function buildDocument(cards: CardId[], org: string): string {
  const name = cards.length > 1 ? "Dashboard" : cards[0]!.replace(/^./, (letter) => letter.toUpperCase());
  const roots = (["metrics", "previous", "earlier"] as const).flatMap((alias) => {
    const fields = cards.flatMap((card) => CARD_FIELDS[card]![alias] ?? []);
    const filters = `filters: $${alias === "metrics" ? "filters" : alias}`;
    const root = org === ENTERPRISE ? `enterpriseSessionMetrics(${filters})` : `sessionMetrics(orgId: $org, ${filters})`;
    return fields.length ? [`  ${alias}: ${root} {\n    ${fields.join("\n").replaceAll("\n", "\n    ")}\n  }`] : [];
  });
  const selection = `{\n${roots.join("\n")}\n}`;
  const variables = variablesOf(selection).map((variable) => `$${variable}: ${VARIABLE_TYPES[variable]}`);
  const fragment = selection.includes("...Measures") ? `\n${FRAGMENT}` : "";
  return `query ${name}(${variables.join(", ")}) ${selection}${fragment}`;
}

export function allDocuments(): string[] {
  const documentsOf = (org: string) => [cardsOf(org), ...cardsOf(org).map((card) => [card])].map((cards) => buildDocument(cards, org));
  return [VIEWER_DOCUMENT, OPTIONS_DOCUMENT, ...documentsOf(""), ...documentsOf(ENTERPRISE)];
}

/** Returns the variables that a document or a part of one uses. */
function variablesOf(text: string): Variable[] {
  return keysOf(VARIABLE_TYPES).filter((variable) => new RegExp(`\\$${variable}\\b`).test(text));
}

export function buildRequest(cards: CardId[], variables: MetricsQuery["variables"]) {
  const query = buildDocument(cards, variables.org);
  return { query, variables: Object.fromEntries(variablesOf(query).map((name) => [name, variables[name]])) };
}

export type MetricsQuery = ReturnType<typeof toMetricsQuery>;

/** Returns the query of a view, with the range of its period at an instant. */
export function toMetricsQuery(view: View, now: Date) {
  const { current, previous } = toTimeRanges(view.period, view.comparison, view.zone, now);
  const filters = { ...toBounds(current.after, current.before), ...toFilters(view) };
  const variables = {
    org: view.org,
    filters,
    previous: { ...filters, ...toBounds(previous.after, previous.before) },
    earlier: toBounds(new Date(0), previous.after),
    interval: chooseInterval(current),
    timeZone: view.zone,
    // The rows of a ranking until all are requested.
    first: 10,
    after: null as string | null,
    order: { field: toEnumValue(view.order), direction: "DESC" },
  } satisfies Record<Variable, unknown>;
  return { current, previous, variables };
}

function toBounds(after: Date, before: Date) {
  return { timeAfter: after.toISOString(), timeBefore: (before < after ? after : before).toISOString() };
}

/** Returns the filters of a view, without its period. */
function toFilters(view: View) {
  const valueOf = (id: FilterId) => {
    if (id === "merged") return view.merged[0] === "yes";
    return FILTERS[id].names ? view[id].map(toEnumValue) : view[id];
  };
  return Object.fromEntries(filtersOf(view).map((id) => [FILTERS[id].field, valueOf(id)]));
}

/** Returns the enum value of a name, like `ACUS_CONSUMED`. */
export function toEnumValue(name: string): string {
  return name.replace(/[A-Z]/g, "_$&").toUpperCase();
}
