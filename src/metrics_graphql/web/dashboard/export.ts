/** Exports a card as GraphQL, curl command, GraphiQL link or CSV. */

import { GRAPHQL_URL } from "../shared/api";
import { buildDocument, buildRequest, type CardId, type MetricsQuery } from "./metricsQuery";
import { ENTERPRISE } from "./view";

export interface Table {
  head: string[];
  rows: (string | number)[][];
  /** The index of a column of ratios, displayed as percentages. */
  percentColumn?: number;
}

/** Returns the document of a card with its variables inlined. */
export function toGraphQL(card: CardId, { variables }: MetricsQuery): string {
  return buildDocument([card], variables.org)
    .replace(/^query (\w+)\(.*\)/, "query $1")
    .replace(/\$(\w+)/g, (_, name: keyof typeof variables) => toLiteral(variables[name], name));
}

/** The variables and fields whose values are enum values. */
const ENUM_FIELDS = ["interval", "origins", "sizes", "field", "direction"];

function toLiteral(value: unknown, field: string): string {
  if (Array.isArray(value)) return `[${value.map((each) => toLiteral(each, field)).join(", ")}]`;
  if (typeof value !== "object" || value === null) return ENUM_FIELDS.includes(field) ? String(value) : JSON.stringify(value);
  const fields = Object.entries(value).map(([name, each]) => `${name}: ${toLiteral(each, name)}`);
  return `{ ${fields.join(", ")} }`;
}

/** Returns a curl command that reads the token from the environment. */
export function toCurl(card: CardId, { variables }: MetricsQuery): string {
  return `curl -s ${shellQuote(GRAPHQL_URL)} \\
  -H "Authorization: Bearer $METRICS_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d ${shellQuote(JSON.stringify(buildRequest([card], variables)))}`;
}

/** Returns a link that opens GraphiQL with the query of a card, in the fragment, which the server does not receive. */
export function explorerUrl(card: CardId, metricsQuery: MetricsQuery): string {
  const { query, variables } = buildRequest([card], metricsQuery.variables);
  return `graphql#${new URLSearchParams({ query, variables: JSON.stringify(variables, null, 2) })}`;
}

/** Downloads the table of a card as a CSV file (RFC 4180). It begins with a byte order mark, by which Excel knows its encoding. */
export function downloadCsv(card: CardId, { variables, current }: MetricsQuery, { head, rows }: Table): void {
  const lines = [head, ...rows].map((row) => `${row.map(toCsvField).join(",")}\r\n`);
  const { from, to } = current.dates;
  const parts = [variables.org === ENTERPRISE ? "all" : variables.org, card, from, "to", to, variables.timeZone];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", ...lines], { type: "text/csv" }));
  link.download = `${parts.join("-").replaceAll(/[^\w.+-]/g, "-")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function toCsvField(value: string | number): string {
  if (typeof value === "number") return String(value);
  // A leading quote prevents formula injection in spreadsheets.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
