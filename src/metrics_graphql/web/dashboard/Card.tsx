/** A card: what it shows as a picture or as a table, and the ways to take it elsewhere. */

import { type ReactNode, useEffect, useRef, useState } from "react";

import type { Part, Question } from "./question";
import { percent } from "./Ranking";
import { asCsv, asCurl, asGraphQL, download, explorerUrl, type Table } from "./sharing";

interface CardProps {
  title: string;
  hint: string;
  part: Part;
  question: Question;
  table: Table;
  /** Beside the title. */
  controls?: ReactNode;
  /** The picture. */
  children: ReactNode;
}

export function Card({ title, hint, part, question, table, controls, children }: CardProps) {
  const [asTable, setAsTable] = useState(false);
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <div>
          <h2>{title}</h2>
          <p>{hint}</p>
        </div>
        {controls}
        <Menu title={title}>
          <button onClick={closing(() => setAsTable(!asTable))}>{asTable ? "Hide the table" : "Show as a table"}</button>
          <a href={explorerUrl(part, question)}>Open in GraphiQL</a>
          <Copy text={() => asGraphQL(part, question)}>Copy as GraphQL</Copy>
          <Copy text={() => asCurl(part, question)}>Copy as curl</Copy>
          <button onClick={closing(() => download(`${question.org}-${part}.csv`, asCsv(table)))}>
            Download CSV
          </button>
        </Menu>
      </div>
      {asTable ? <Numbers title={title} table={table} /> : children}
    </section>
  );
}

/** Does something, and closes the menu that it was chosen from. */
function closing(act: () => void) {
  return (event: React.MouseEvent<HTMLElement>) => {
    const menu = event.currentTarget.closest("details");
    act();
    if (menu) menu.open = false;
    menu?.querySelector("summary")?.focus();
  };
}

/** A table of numbers. */
function Numbers({ title, table }: { title: string; table: Table }) {
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
                  <td key={column}>{column === table.shares ? percent(Number(value)) : value.toLocaleString()}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Buttons that a button shows below itself. Escape, a choice, and a click elsewhere close them. */
function Menu({ title, children }: { title: string; children: ReactNode }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const elsewhere = (event: Event) => {
      if (menu.current && !menu.current.contains(event.target as Node)) menu.current.open = false;
    };
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, []);
  const close = (event: React.KeyboardEvent) => {
    if (event.key !== "Escape" || !menu.current?.open) return;
    menu.current.open = false;
    menu.current.querySelector("summary")?.focus();
  };
  return (
    <details className="menu" ref={menu} onKeyDown={close}>
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

function Copy({ text, children }: { text: () => string; children: ReactNode }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    const end = said && setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(end || undefined);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid("Copied");
    } catch {
      setSaid("The browser does not allow it");
    }
  };
  return (
    <button onClick={copy}>
      {children}
      <span role="status">{said}</span>
    </button>
  );
}
