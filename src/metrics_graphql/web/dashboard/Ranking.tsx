/** The card of a breakdown: rows with bars. A click on a row filters by it. */

import { useState } from "react";

import { Card } from "./Card";
import { storeNames, useResult } from "./context";
import type { Table } from "./export";
import { capitalize, formatMeasure, formatNumber, formatPercent, type Measure, MEASURES, ORIGIN_NAMES, ratio, SIZE_NAMES } from "./measures";
import { BREAKDOWNS, type BreakdownId, isEnumBreakdown, type MetricsQuery, type Named, type Row } from "./metricsQuery";
import { isMaturing } from "./period";
import { fetchRows } from "./queries";
import { Swatch } from "./Swatch";
import { DEFAULT_ORDER, toggleFilter } from "./view";

/** Returns the subject of a row. Its id is that of the view. */
function subjectOf(id: BreakdownId, row: Row): Named {
  const node = row[BREAKDOWNS[id].node] as Named | string;
  if (typeof node === "object") return node;
  const names: Record<string, string> = id === "origins" ? ORIGIN_NAMES : SIZE_NAMES;
  const key = node.toLowerCase();
  return { id: key, name: names[key] ?? node };
}

/** The rows of all pages of a query, or the status of loading them. */
interface AllRows {
  query: MetricsQuery;
  rows: Row[] | "loading" | "failed";
}

export function BreakdownCard({ id }: { id: BreakdownId }) {
  const { view, changeView, result, token } = useResult();
  const { field, title, noun } = BREAKDOWNS[id];
  const [loaded, setLoaded] = useState<AllRows | null>(null);
  const page = result.data.metrics[field];
  if (!page) return null;
  // Rows of another query are not shown.
  const allRows = loaded?.query === result.query ? loaded.rows : null;
  const isEnum = isEnumBreakdown(id);
  const rows = Array.isArray(allRows) ? allRows : id === "sizes" ? inOrderOfSize(page.nodes) : page.nodes;
  const total = isEnum ? rows.length : page.totalCount;
  const isPartial = rows.length < total;
  const order = isEnum ? DEFAULT_ORDER : view.order;
  const plural = `${total.toLocaleString()} ${noun}${total === 1 ? "" : "s"}`;
  const count = isPartial ? `Top ${rows.length} of ${plural}` : plural;
  const loadRows = () => fetchRows(token, result.query, id);
  const showAll = async () => {
    const { query } = result;
    setLoaded({ query, rows: "loading" });
    try {
      const all = await loadRows();
      storeNames(
        id,
        all.map((row) => subjectOf(id, row)),
      );
      setLoaded({ query, rows: all });
    } catch {
      setLoaded({ query, rows: "failed" });
    }
  };
  const select = (subject: string) => {
    changeView(id === "organizations" ? { org: subject } : toggleFilter(view, id, subject));
    if (!isEnum) scrollTo(0, 0);
  };
  return (
    <Card
      id={id}
      title={title}
      subtitle={isEnum ? <MergedKey /> : count}
      buildTable={() => toTable(id, rows)}
      {...(isPartial && { loadTable: async () => toTable(id, await loadRows()) })}
    >
      <Rows id={id} rows={rows} order={order} onSelect={select} />
      {isPartial && (
        <button className="show-all" onClick={showAll} disabled={allRows === "loading"}>
          {allRows === "loading" ? "Loading…" : allRows === "failed" ? "Could not load all. Try again" : `Show all ${plural}`}
        </button>
      )}
    </Card>
  );
}

/** The key to the colors of bars of sessions. */
export function MergedKey() {
  const { query, fetchedAt } = useResult().result;
  return (
    <>
      <i className="swatch merged" />
      with merged pull requests{isMaturing(query.current.before, fetchedAt) && " so far"}
    </>
  );
}

function inOrderOfSize(rows: Row[]): Row[] {
  const sizes = Object.keys(SIZE_NAMES);
  const place = (row: Row) => sizes.indexOf(subjectOf("sizes", row).id);
  return rows.toSorted((a, b) => place(a) - place(b));
}

/** A list of more rows scrolls, and must be focusable for the keyboard. */
const MAX_UNSCROLLED_ROWS = 12;

function Rows({ id, rows, order, onSelect }: { id: BreakdownId; rows: Row[]; order: Measure; onSelect: (subject: string) => void }) {
  const { view } = useResult();
  const max = Math.max(...rows.map((row) => row[order])) || 1;
  const selected: string[] = id === "organizations" ? [] : view[id];
  if (rows.length === 0) return <p className="empty">None in this period.</p>;
  return (
    <ol className="ranking" tabIndex={rows.length > MAX_UNSCROLLED_ROWS ? 0 : undefined}>
      {rows.map((row) => {
        const subject = subjectOf(id, row);
        return (
          <li key={subject.id}>
            <button
              aria-pressed={selected.includes(subject.id)}
              onClick={() => onSelect(subject.id)}
              title={subject.name ? `${subject.name} (${subject.id})` : subject.id}
            >
              <span className="row">
                <span className="name">
                  {isEnumBreakdown(id) && <Swatch split={BREAKDOWNS[id].node} id={subject.id} />}
                  <span>{subject.name ?? subject.id}</span>
                </span>
                <span className="value">{formatMeasure(order, row[order])}</span>
              </span>
              <span className="row">
                <Bar row={row} order={order} max={max} />
                <span className="detail">{detail(row, order)}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

/** A bar of a measure. One of sessions has a bar of those with merged pull requests in it. */
function Bar({ row, order, max }: { row: Row; order: Measure; max: number }) {
  return (
    <span className="track" aria-hidden="true">
      <span style={{ width: `${(row[order] / max) * 100}%` }}>
        {order === DEFAULT_ORDER && <span style={{ width: `${mergedShare(row) * 100}%` }} />}
      </span>
    </span>
  );
}

function detail(row: Row, order: Measure): string {
  const [sessions, acus] = [row.sessionsCreatedCount, Math.round(row.acusConsumed)].map(formatNumber);
  const merged = `${formatPercent(mergedShare(row))} merged`;
  return order === DEFAULT_ORDER ? `${merged} · ${acus} ACUs` : `${sessions} sessions · ${merged}`;
}

function mergedShare(row: Row): number {
  return ratio(row.sessionsWithMergedPrsCount, row.sessionsCreatedCount) ?? 0;
}

/** Returns a table of all measures. */
function toTable(id: BreakdownId, rows: Row[]): Table {
  const measures = Object.keys(MEASURES) as Measure[];
  return {
    head: [capitalize(BREAKDOWNS[id].noun), "Name", ...measures.map((measure) => MEASURES[measure]), "Share with merged PRs"],
    rows: rows.map((row) => {
      const subject = subjectOf(id, row);
      return [subject.id, subject.name ?? "", ...measures.map((measure) => row[measure]), mergedShare(row)];
    }),
    percentColumn: measures.length + 2,
  };
}
