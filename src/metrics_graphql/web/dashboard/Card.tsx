/** A card: what it shows as a picture or as a table, and the ways to take it elsewhere. */

import { type ReactNode, useRef, useState } from "react";

import type { Part, Question } from "./question";
import { asCsv, asCurl, asGraphQL, download, explorerUrl, type Table } from "./sharing";

interface CardProps {
  title: string;
  hint: string;
  part: Part;
  question: Question;
  table: Table;
  /** Beside the title. */
  controls?: ReactNode;
  /** The picture. Without one the table is all there is. */
  children?: ReactNode;
  className?: string;
}

export function Card({ title, hint, part, question, table, controls, children, className = "" }: CardProps) {
  const [asTable, setAsTable] = useState(false);
  return (
    <section className={`card ${className}`} aria-label={title}>
      <div className="card-head">
        <div>
          <h2>{title}</h2>
          <p>{hint}</p>
        </div>
        {controls}
        <Menu title={title}>
          {children && (
            <button role="menuitem" onClick={() => setAsTable(!asTable)}>
              {asTable ? "Hide the table" : "Show as a table"}
            </button>
          )}
          <a role="menuitem" href={explorerUrl(part, question)}>
            Open in GraphiQL
          </a>
          <Copy text={() => asGraphQL(part, question)}>Copy as GraphQL</Copy>
          <Copy text={() => asCurl(part, question)}>Copy as curl</Copy>
          <button role="menuitem" onClick={() => download(`${question.org}-${part}.csv`, asCsv(table))}>
            Download CSV
          </button>
        </Menu>
      </div>
      {asTable || !children ? <Numbers title={title} table={table} /> : children}
    </section>
  );
}

/** A table of numbers. */
export function Numbers({ title, table }: { title: string; table: Table }) {
  return (
    <div className="numbers" tabIndex={0} role="region" aria-label={`${title}: the numbers`}>
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
          {table.rows.map((row, at) => (
            <tr key={at}>
              {row.map((value, column) =>
                column === 0 ? (
                  <th key={column} scope="row">
                    {value}
                  </th>
                ) : (
                  <td key={column}>{typeof value === "number" ? value.toLocaleString() : value}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A menu that opens below its button; Escape closes it, and arrows go through it. */
function Menu({ title, children }: { title: string; children: ReactNode }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current) menu.current.open = false;
  };
  const move = (event: React.KeyboardEvent) => {
    if (event.key === "Escape") {
      close();
      menu.current?.querySelector("summary")?.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !menu.current?.open) return;
    event.preventDefault();
    const items = [...menu.current.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items.at((at + step + (at < 0 && step < 0 ? 1 : 0)) % items.length)?.focus();
  };
  return (
    <details
      className="menu"
      ref={menu}
      onKeyDown={move}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close()}
    >
      <summary aria-label={`${title}: more`} role="button">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="4" cy="10" r="1.6" />
          <circle cx="10" cy="10" r="1.6" />
          <circle cx="16" cy="10" r="1.6" />
        </svg>
      </summary>
      <div role="menu" aria-label={title}>
        {children}
      </div>
    </details>
  );
}

function Copy({ text, children }: { text: () => string; children: ReactNode }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid("Copied");
    } catch {
      setSaid("The browser does not allow it");
    }
    setTimeout(() => setSaid(""), 2000);
  };
  return (
    <button role="menuitem" onClick={copy}>
      <span aria-live="polite">{said || children}</span>
    </button>
  );
}
