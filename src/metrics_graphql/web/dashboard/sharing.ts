/** Takes what a card shows elsewhere: as GraphQL, as a command, as a file. */

import { GRAPHQL_URL } from "../shared/api";
import { type Part, type Question, queryOf, variablesOf } from "./question";

/** Numbers of a chart in rows, under a head. */
export interface Table {
  head: string[];
  rows: (string | number)[][];
  /** The column that holds shares: people read them in percent. */
  shares?: number;
}

/** The question of a card with its variables written out, to be pasted anywhere. */
export function asGraphQL(part: Part, question: Question): string {
  const written = Object.entries(question.filters).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const values: Record<string, string> = { $org: JSON.stringify(question.org), $filters: `{ ${written.join(", ")} }` };
  return queryOf([part], question)
    .replace(/^query (\w+)\(.*\)/, "query $1")
    .replace(/\$(org|filters)/g, (name) => values[name]!);
}

/** The same as a command; the token comes from the environment. */
export function asCurl(part: Part, question: Question): string {
  const body = JSON.stringify({ query: queryOf([part], question), variables: variablesOf(question) });
  return [
    `curl -s ${quoted(GRAPHQL_URL)}`,
    `  -H "Authorization: Bearer $METRICS_TOKEN"`,
    `  -H 'Content-Type: application/json'`,
    `  -d ${quoted(body)}`,
  ].join(" \\\n");
}

/** Where GraphiQL opens with the question of a card; the server does not see what is after `#`. */
export function explorerUrl(part: Part, question: Question): string {
  const variables = JSON.stringify(variablesOf(question), null, 2);
  return `graphql#${new URLSearchParams({ query: queryOf([part], question), variables })}`;
}

/** A table as CSV (RFC 4180). */
export function asCsv({ head, rows }: Table): string {
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Saves a text as a file. */
export function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  // A spreadsheet would compute what begins like a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
