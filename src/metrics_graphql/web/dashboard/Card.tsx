/** A card: content that can be shown as a table and exported, with a menu of these actions. */

import { type ReactNode, useEffect, useRef, useState } from "react";

import { downloadCsv, explorerUrl, type Table, toCsv, toCurl, toGraphQL } from "./export";
import type { CardId, MetricsQuery } from "./metricsQuery";
import { percent } from "./Ranking";

interface CardProps {
  id: CardId;
  title: string;
  subtitle: string;
  query: MetricsQuery;
  table: Table;
  /** Shown next to the title. */
  controls?: ReactNode;
  /** Shown unless the table is. */
  children: ReactNode;
}

export function Card({ id, title, subtitle, query, table, controls, children }: CardProps) {
  const [showsTable, setShowsTable] = useState(false);
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <div>
          <h2>{title}</h2>
          <p>{subtitle}</p>
        </div>
        {controls}
        <Menu title={title}>
          <button onClick={closingMenu(() => setShowsTable(!showsTable))}>{showsTable ? "Hide the table" : "Show as a table"}</button>
          <a href={explorerUrl(id, query)}>Open in GraphiQL</a>
          <CopyButton text={() => toGraphQL(id, query)}>Copy as GraphQL</CopyButton>
          <CopyButton text={() => toCurl(id, query)}>Copy as curl</CopyButton>
          <button onClick={closingMenu(() => downloadCsv(`${query.org}-${id}.csv`, toCsv(table)))}>
            Download CSV
          </button>
        </Menu>
      </div>
      {showsTable ? <DataTable title={title} table={table} /> : children}
    </section>
  );
}

/** Wraps the action of a menu item to close its menu. */
function closingMenu(action: () => void) {
  return (event: React.MouseEvent<HTMLElement>) => {
    const menu = event.currentTarget.closest("details");
    action();
    if (menu) menu.open = false;
    menu?.querySelector("summary")?.focus();
  };
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
                  <td key={column}>{column === table.percentColumn ? percent(Number(value)) : value.toLocaleString()}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A dropdown menu. Escape, an action, and a click or focus outside close it. */
function Menu({ title, children }: { title: string; children: ReactNode }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const closeFromOutside = (event: Event) => {
      if (menu.current && !menu.current.contains(event.target as Node)) menu.current.open = false;
    };
    document.addEventListener("pointerdown", closeFromOutside);
    document.addEventListener("focusin", closeFromOutside);
    return () => {
      document.removeEventListener("pointerdown", closeFromOutside);
      document.removeEventListener("focusin", closeFromOutside);
    };
  }, []);
  const closeOnEscape = (event: React.KeyboardEvent) => {
    if (event.key !== "Escape" || !menu.current?.open) return;
    menu.current.open = false;
    menu.current.querySelector("summary")?.focus();
  };
  return (
    <details className="menu" ref={menu} onKeyDown={closeOnEscape}>
      <summary aria-label={`${title}: more`}>
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="4" cy="10" r="1.6" />
          <circle cx="10" cy="10" r="1.6" />
          <circle cx="16" cy="10" r="1.6" />
        </svg>
      </summary>
      <div role="group" aria-label={`${title}: more`}>
        {children}
      </div>
    </details>
  );
}

function CopyButton({ text, children }: { text: () => string; children: ReactNode }) {
  const [status, setStatus] = useState("");
  useEffect(() => {
    const timer = status && setTimeout(() => setStatus(""), 2000);
    return () => clearTimeout(timer || undefined);
  }, [status]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setStatus("Copied");
    } catch {
      setStatus("Clipboard access denied");
    }
  };
  return (
    <button onClick={copy}>
      {children}
      <span role="status">{status}</span>
    </button>
  );
}
