/** A card: content that can be shown as a table and exported, with a menu of these actions. */

import { type ReactNode, useEffect, useState } from "react";

import { useResult } from "./context";
import { closing, Popover } from "./controls";
import { downloadCsv, explorerUrl, type Table, toCurl, toGraphQL } from "./export";
import { formatNumber, formatPercent } from "./measures";
import type { CardId } from "./metricsQuery";

interface CardProps {
  id: CardId;
  title: string;
  subtitle: ReactNode;
  buildTable: () => Table;
  /** Loads the table of all rows, if not all are loaded. */
  loadTable?: (() => Promise<Table>) | undefined;
  /** Shown next to the title. */
  controls?: ReactNode;
  /** Shown unless the table is. */
  children: ReactNode;
}

export function Card({ id, title, subtitle, buildTable, loadTable, controls, children }: CardProps) {
  const { query } = useResult().result;
  const [showsTable, setShowsTable] = useState(false);
  // Without TLS, browsers have no clipboard: an async function rejects.
  const copy = async (text: string) => navigator.clipboard.writeText(text);
  const download = async () => downloadCsv(id, query, loadTable ? await loadTable() : buildTable());
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <div>
          <h3>{title}</h3>
          <p>{subtitle}</p>
        </div>
        {controls}
        <Popover className="menu" label={`${title}: more`} summary={DOTS}>
          <button onClick={closing(() => setShowsTable(!showsTable))}>{showsTable ? "Hide the table" : "Show as a table"}</button>
          <a href={explorerUrl(id, query)}>Open in GraphiQL</a>
          <StatusButton label="Copy as GraphQL" action={() => copy(toGraphQL(id, query))} done="Copied" />
          <StatusButton label="Copy as curl" action={() => copy(toCurl(id, query))} done="Copied" />
          <StatusButton label="Download CSV" action={download} done="Saved" />
        </Popover>
      </div>
      {showsTable ? <DataTable title={title} table={buildTable()} /> : children}
    </section>
  );
}

const DOTS = (
  <svg viewBox="0 0 20 20" aria-hidden="true">
    <circle cx="4" cy="10" r="1.6" />
    <circle cx="10" cy="10" r="1.6" />
    <circle cx="16" cy="10" r="1.6" />
  </svg>
);

function DataTable({ title, table }: { title: string; table: Table }) {
  const formatOf = (column: number) => (column === table.percentColumn ? formatPercent : formatNumber);
  return (
    <div className="data-table" tabIndex={0} role="region" aria-label={`${title}: table`}>
      <table>
        <thead>
          <tr>
            {table.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map(([first, ...values], index) => (
            <tr key={index}>
              <th scope="row">{first}</th>
              {values.map((value, column) => (
                <td key={column}>{typeof value === "number" ? formatOf(column + 1)(value) : value}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const STATUS_MILLISECONDS = 3000;

/** A button that shows for some seconds whether its action succeeded. */
function StatusButton({ label, action, done }: { label: string; action: () => Promise<void>; done: string }) {
  const [status, setStatus] = useState("");
  useEffect(() => {
    if (!status) return;
    const timer = setTimeout(() => setStatus(""), STATUS_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [status]);
  const run = () => void action().then(() => setStatus(done), () => setStatus("Failed"));
  return (
    <button onClick={run}>
      {label}
      <span role="status">{status}</span>
    </button>
  );
}
