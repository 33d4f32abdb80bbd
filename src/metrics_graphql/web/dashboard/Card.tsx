/** A card: content that can be shown as a table and exported, with a menu of these actions. */

import { type ReactNode, useEffect, useState } from "react";

import { useResult } from "./context";
import { downloadCsv, explorerUrl, type Table, toCurl, toGraphQL } from "./export";
import { formatNumber, percent } from "./measures";
import type { CardId } from "./metricsQuery";
import { closing, Popover } from "./Popover";

interface CardProps {
  id: CardId;
  title: string;
  subtitle: string;
  table: Table;
  /** Loads the table of all rows, if `table` may have fewer. */
  loadTable?: () => Promise<Table>;
  /** Shown next to the title. */
  controls?: ReactNode;
  /** Shown unless the table is. */
  children: ReactNode;
}

export function Card({ id, title, subtitle, table, loadTable, controls, children }: CardProps) {
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
          <StatusButton action={async () => downloadCsv(id, query, loadTable ? await loadTable() : table)} done="Saved">
            Download CSV
          </StatusButton>
        </Popover>
      </div>
      {showsTable ? <DataTable title={title} table={table} /> : children}
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
              {row.map((value, column) =>
                column === 0 ? (
                  <th key={column} scope="row">
                    {value}
                  </th>
                ) : (
                  <td key={column}>{typeof value === "string" ? value : column === table.percentColumn ? percent(value) : formatNumber(value)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A button that shows whether its action succeeded. */
function StatusButton({ action, done, children }: { action: () => Promise<void>; done: string; children: ReactNode }) {
  const [status, setStatus] = useState("");
  useEffect(() => {
    const timer = status && setTimeout(() => setStatus(""), 3000);
    return () => clearTimeout(timer || undefined);
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
