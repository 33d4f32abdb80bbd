/** A card: content that can be shown as a table and exported, with a menu of these actions. */

import { type ReactNode, useEffect, useState } from "react";

import { useResult } from "./context";
import { downloadCsv, explorerUrl, type Table, toCurl, toGraphQL } from "./export";
import { formatNumber, formatPercent } from "./measures";
import type { CardId } from "./metricsQuery";
import { closing, Popover } from "./Popover";

interface CardProps {
  id: CardId;
  title: string;
  subtitle: ReactNode;
  buildTable: () => Table;
  /** Loads the table of all rows, if not all are loaded. */
  loadTable?: () => Promise<Table>;
  /** Shown next to the title. */
  controls?: ReactNode;
  /** Shown unless the table is. */
  children: ReactNode;
}

export function Card({ id, title, subtitle, buildTable, loadTable, controls, children }: CardProps) {
  const { query } = useResult().result;
  const [showsTable, setShowsTable] = useState(false);
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <div>
          <h3>{title}</h3>
          <p>{subtitle}</p>
        </div>
        {controls}
        <Popover className="menu" label={`${title}: more`} summary={<Dots />}>
          <button onClick={closing(() => setShowsTable(!showsTable))}>{showsTable ? "Hide the table" : "Show as a table"}</button>
          <a href={explorerUrl(id, query)}>Open in GraphiQL</a>
          <StatusButton action={() => navigator.clipboard.writeText(toGraphQL(id, query))} done="Copied">
            Copy as GraphQL
          </StatusButton>
          <StatusButton action={() => navigator.clipboard.writeText(toCurl(id, query))} done="Copied">
            Copy as curl
          </StatusButton>
          <StatusButton action={async () => downloadCsv(id, query, loadTable ? await loadTable() : buildTable())} done="Saved">
            Download CSV
          </StatusButton>
        </Popover>
      </div>
      {showsTable ? <DataTable title={title} table={buildTable()} /> : children}
    </section>
  );
}

function Dots() {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="4" cy="10" r="1.6" />
      <circle cx="10" cy="10" r="1.6" />
      <circle cx="16" cy="10" r="1.6" />
    </svg>
  );
}

function DataTable({ title, table }: { title: string; table: Table }) {
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
          {table.rows.map((row, index) => (
            <tr key={index}>
              <th scope="row">{row[0]}</th>
              {row.slice(1).map((value, column) => (
                <td key={column}>{formatCell(value, column + 1 === table.percentColumn)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function formatCell(value: string | number, isPercent: boolean): string {
  if (typeof value === "string") return value;
  return isPercent ? formatPercent(value) : formatNumber(value);
}

const STATUS_MILLISECONDS = 3000;

/** A button that shows for some seconds whether its action succeeded. */
function StatusButton({ action, done, children }: { action: () => Promise<void>; done: string; children: ReactNode }) {
  const [status, setStatus] = useState("");
  useEffect(() => {
    if (!status) return;
    const timer = setTimeout(() => setStatus(""), STATUS_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [status]);
  const run = () =>
    action().then(
      () => setStatus(done),
      () => setStatus("Failed"),
    );
  return (
    <button onClick={run}>
      {children}
      <span role="status">{status}</span>
    </button>
  );
}
