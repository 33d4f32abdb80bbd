/** Exports a card as GraphQL, curl command, GraphiQL link or CSV. */

import { GRAPHQL_URL } from "../shared/api";
import { buildDocument, buildRequest, type CardId, type MetricsQuery } from "./metricsQuery";

/** The data of a card as a table. */
export interface Table {
  head: string[];
  rows: (string | number)[][];
  /** The index of a column of ratios, displayed as percentages. */
  percentColumn?: number;
}

/** Returns the document of a card with its variables inlined. */
export function toGraphQL(card: CardId, query: MetricsQuery): string {
  const filters = Object.entries(query.filters).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const values: Record<keyof MetricsQuery, string> = {
    org: JSON.stringify(query.org),
    filters: `{ ${filters.join(", ")} }`,
    interval: query.interval,
    timeZone: JSON.stringify(query.timeZone),
  };
  return buildDocument([card])
    .replace(/^query (\w+)\(.*\)/, "query $1")
    .replace(/\$(\w+)/g, (_, name: keyof MetricsQuery) => values[name]);
}

/** Returns a curl command that reads the token from the environment. */
export function toCurl(card: CardId, query: MetricsQuery): string {
  const body = JSON.stringify(buildRequest([card], query));
  return [
    `curl -s ${shellQuote(GRAPHQL_URL)}`,
    `  -H "Authorization: Bearer $METRICS_TOKEN"`,
    `  -H 'Content-Type: application/json'`,
    `  -d ${shellQuote(body)}`,
  ].join(" \\\n");
}

/** Returns a link that opens GraphiQL with the query of a card, in the fragment, which the server does not receive. */
export function explorerUrl(card: CardId, query: MetricsQuery): string {
  const request = buildRequest([card], query);
  const variables = JSON.stringify(request.variables, null, 2);
  return `graphql#${new URLSearchParams({ query: request.query, variables })}`;
}

/** Formats a table as CSV (RFC 4180). */
export function toCsv({ head, rows }: Table): string {
  return [head, ...rows].map((row) => row.map(csvField).join(",")).join("\r\n") + "\r\n";
}

/** Downloads CSV as a file. */
export function downloadCsv(filename: string, csv: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  link.download = filename;
  link.click();
  URL.revokeObjectURL(link.href);
}

function csvField(value: string | number): string {
  if (typeof value === "number") return String(value);
  // A leading quote prevents formula injection in spreadsheets.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
