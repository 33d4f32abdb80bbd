/** The card of a breakdown: rows with bars. A click on a row filters by it. */

import { type CSSProperties, useEffect, useState } from "react";

import { Card } from "./Card";
import { rememberNames, useResult } from "./context";
import type { Table } from "./export";
import { formatNumber, type Measure, MEASURES, ORIGIN_NAMES, percent, ratio, SIZE_NAMES } from "./measures";
import { BREAKDOWNS, type BreakdownId, type Named, type Row } from "./metricsQuery";
import { fetchRows } from "./queries";
import { type View } from "./view";

/** What a row is about. */
interface Subject {
  /** As the view has it. */
  id: string;
  name: string | null;
}

function subjectOf(id: BreakdownId, row: Row): Subject {
  const node = row[BREAKDOWNS[id].node] as Named | string;
  if (typeof node === "object") return node;
  const key = node.toLowerCase();
  return { id: key, name: (id === "origins" ? ORIGIN_NAMES[key as keyof typeof ORIGIN_NAMES] : SIZE_NAMES[key as keyof typeof SIZE_NAMES]) ?? node };
}

export function BreakdownCard({ id }: { id: BreakdownId }) {
  const { view, changeView, result, token } = useResult();
  const { field, title, noun } = BREAKDOWNS[id];
  const [allRows, setAllRows] = useState<Row[] | "loading" | "failed" | null>(null);
  // Rows of another query are not shown.
  useEffect(() => setAllRows(null), [result.query]);
  const page = result.data.metrics[field];
  if (!page) return null;
  const isShort = id === "origins" || id === "sizes";
  const order: Measure = isShort ? "sessionsCreatedCount" : view.order;
  const rows = Array.isArray(allRows) ? allRows : isShort ? inOrder(id, page.nodes) : page.nodes;
  const total = isShort ? rows.length : page.totalCount;
  const plural = `${total.toLocaleString()} ${noun}${total === 1 ? "" : "s"}`;
  const subtitle = isShort
    ? "Sessions, the part of them with merged pull requests, and ACUs"
    : rows.length < total
      ? `Top ${rows.length} of ${plural}`
      : plural;
  const showAll = async () => {
    setAllRows("loading");
    try {
      const all = await fetchRows(token, result.query, id);
      rememberNames(
        id,
        all.map((row) => subjectOf(id, row)),
      );
      setAllRows(all);
    } catch {
      setAllRows("failed");
    }
  };
  const select = (subject: Subject) => {
    changeView(selection(id, view, subject.id));
    if (!isShort) scrollTo(0, 0);
  };
  return (
    <Card
      id={id}
      title={title}
      subtitle={subtitle}
      table={toTable(id, rows)}
      {...(!isShort && { loadTable: async () => toTable(id, await fetchRows(token, result.query, id)) })}
    >
      <Rows id={id} rows={rows} order={order} onSelect={select} />
      {rows.length < total && (
        <button className="show-all" onClick={showAll} disabled={allRows === "loading"}>
          {allRows === "loading" ? "Loading…" : allRows === "failed" ? "Could not load all. Try again" : `Show all ${plural}`}
        </button>
      )}
    </Card>
  );
}

/** Returns the change of the view that a click on a row makes: to this one alone, or back to all. */
export function selection(id: BreakdownId, view: View, subject: string): Partial<View> {
  if (id === "organizations") return { org: subject };
  const isOnly = view[id].length === 1 && (view[id] as string[])[0] === subject;
  return { [id]: isOnly ? [] : [subject] };
}

/** Returns rows of sizes from the smallest, and others as they are. */
function inOrder(id: BreakdownId, rows: Row[]): Row[] {
  const sizes = Object.keys(SIZE_NAMES);
  const place = (row: Row) => sizes.indexOf(subjectOf(id, row).id);
  return id === "sizes" ? rows.toSorted((a, b) => place(a) - place(b)) : rows;
}

function Rows({ id, rows, order, onSelect }: { id: BreakdownId; rows: Row[]; order: Measure; onSelect: (subject: Subject) => void }) {
  const { view } = useResult();
  const max = Math.max(...rows.map((row) => row[order])) || 1;
  if (rows.length === 0) return <p className="empty">None in this period.</p>;
  return (
    <ol className={`ranking ${id}`} tabIndex={rows.length > 12 ? 0 : undefined}>
      {rows.map((row) => {
        const subject = subjectOf(id, row);
        const isSelected = id !== "organizations" && (view[id] as string[]).includes(subject.id);
        return (
          <li key={subject.id}>
            <button aria-pressed={isSelected} onClick={() => onSelect(subject)} title={subject.name ? `${subject.name} (${subject.id})` : subject.id}>
              <span className="row">
                <span className="name">
                  {(id === "origins" || id === "sizes") && (
                    <i className="swatch" style={{ "--swatch": `var(--${id.slice(0, -1)}-${subject.id})` } as CSSProperties} />
                  )}
                  <span>{subject.name ?? subject.id}</span>
                </span>
                <span className="value">{formatNumber(row[order])}</span>
              </span>
              <span className="row">
                <span className="track" aria-hidden="true">
                  <span style={{ width: `${(row[order] / max) * 100}%` }}>
                    {order === "sessionsCreatedCount" && <span style={{ width: `${mergedShare(row) * 100}%` }} />}
                  </span>
                </span>
                <span className="detail">{detail(row, order)}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function detail(row: Row, order: Measure): string {
  const sessions = order === "sessionsCreatedCount" ? "" : `${formatNumber(row.sessionsCreatedCount)} sessions · `;
  return `${sessions}${percent(mergedShare(row))} merged · ${formatNumber(Math.round(row.acusConsumed))} ACUs`;
}

function mergedShare(row: Row): number {
  return ratio(row.sessionsWithMergedPrsCount, row.sessionsCreatedCount) ?? 0;
}

/** Returns a table of all measures. */
function toTable(id: BreakdownId, rows: Row[]): Table {
  const measures = Object.keys(MEASURES) as Measure[];
  const noun = BREAKDOWNS[id].noun.replace(/^./, (letter) => letter.toUpperCase());
  return {
    head: [noun, "Name", ...measures.map((measure) => MEASURES[measure]), "Share with merged PRs"],
    rows: rows.map((row) => {
      const subject = subjectOf(id, row);
      return [subject.id, subject.name ?? "", ...measures.map((measure) => row[measure]), mergedShare(row)];
    }),
    percentColumn: measures.length + 2,
  };
}
