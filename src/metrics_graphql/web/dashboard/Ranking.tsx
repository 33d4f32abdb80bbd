/** The card of a breakdown: rows with bars. A click on a row filters by it. */

import { useState } from "react";

import { Card } from "./Card";
import { nameOf, useResult } from "./context";
import type { Table } from "./export";
import { formatAverage, formatNumber, formatPercent, keysOf, type Measure, MEASURES, ratio, SIZE_NAMES } from "./measures";
import { BREAKDOWNS, type BreakdownId, isEnumBreakdown, type MetricsQuery, type Named, type Row } from "./metricsQuery";
import { isMaturing } from "./period";
import { fetchRows } from "./queries";
import { DEFAULT_ORDER, toggleFilter } from "./view";

/** Returns the id of the subject of a row, as in the view. */
function subjectOf(id: BreakdownId, row: Row): string {
  const node = row[BREAKDOWNS[id].node] as Named | string;
  return typeof node === "string" ? node.toLowerCase() : node.id;
}

export function BreakdownCard({ id }: { id: BreakdownId }) {
  const { view, result } = useResult();
  const { query } = result;
  const { field, title, noun } = BREAKDOWNS[id];
  const [loaded, setLoaded] = useState<{ query: MetricsQuery; rows: Row[] | "loading" | "failed" } | null>(null);
  const page = result.data.metrics[field];
  if (!page) return null;
  // Rows of another query are not shown.
  const allRows = loaded?.query === query ? loaded.rows : null;
  const isEnum = isEnumBreakdown(id);
  const bySize = () => keysOf(SIZE_NAMES).flatMap((size) => page.nodes.filter((row) => subjectOf(id, row) === size));
  const rows = Array.isArray(allRows) ? allRows : id === "sizes" ? bySize() : page.nodes;
  const total = isEnum ? rows.length : page.totalCount;
  const isPartial = rows.length < total;
  const plural = `${total.toLocaleString()} ${noun.toLowerCase()}${total === 1 ? "" : "s"}`;
  const count = isPartial ? `Top ${rows.length} of ${plural}` : plural;
  const showAll = async () => {
    setLoaded({ query, rows: "loading" });
    setLoaded({ query, rows: await fetchRows(query, id).catch(() => "failed" as const) });
  };
  const loadTable = async () => toTable(id, await fetchRows(query, id));
  return (
    <Card id={id} title={title} subtitle={isEnum ? <MergedKey /> : count} buildTable={() => toTable(id, rows)} loadTable={isPartial ? loadTable : undefined}>
      <Rows id={id} rows={rows} order={isEnum ? DEFAULT_ORDER : view.order} />
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

/** A list of more rows scrolls, and must be focusable for the keyboard. */
const MAX_UNSCROLLED_ROWS = 12;

/** Rows with a bar of a measure. One of sessions has a bar of those with merged pull requests in it. */
function Rows({ id, rows, order }: { id: BreakdownId; rows: Row[]; order: Measure }) {
  const { view, changeView } = useResult();
  const max = Math.max(...rows.map((row) => row[order])) || 1;
  const selected: string[] = id === "organizations" ? [] : view[id];
  const select = (subject: string) => {
    changeView(id === "organizations" ? { org: subject } : toggleFilter(view, id, subject));
    if (!isEnumBreakdown(id)) scrollTo(0, 0);
  };
  if (rows.length === 0) return <p className="empty">None in this period.</p>;
  return (
    <ol className="ranking" tabIndex={rows.length > MAX_UNSCROLLED_ROWS ? 0 : undefined}>
      {rows.map((row) => {
        const subject = subjectOf(id, row);
        const name = nameOf(id, subject);
        const title = name === subject ? subject : `${name} (${subject})`;
        return (
          <li key={subject}>
            <button aria-pressed={selected.includes(subject)} onClick={() => select(subject)} title={title}>
              <span className="row">
                <span className="name">
                  {isEnumBreakdown(id) && <i className="swatch" style={{ background: `var(--${BREAKDOWNS[id].node}-${subject})` }} />}
                  <span>{name}</span>
                </span>
                <span className="value">{(order === "avgAcusPerSession" ? formatAverage : formatNumber)(row[order])}</span>
              </span>
              <span className="row">
                <span className="track" aria-hidden="true">
                  <span style={{ width: `${(row[order] / max) * 100}%` }}>
                    {order === DEFAULT_ORDER && <span style={{ width: `${mergedShare(row) * 100}%` }} />}
                  </span>
                </span>
                <span className="detail">{describe(row, order)}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function describe(row: Row, order: Measure): string {
  const merged = `${formatPercent(mergedShare(row))} merged`;
  if (order !== DEFAULT_ORDER) return `${formatNumber(row.sessionsCreatedCount)} sessions · ${merged}`;
  return `${merged} · ${formatNumber(Math.round(row.acusConsumed))} ACUs`;
}

function mergedShare(row: Row): number {
  return ratio(row.sessionsWithMergedPrsCount, row.sessionsCreatedCount) ?? 0;
}

function toTable(id: BreakdownId, rows: Row[]): Table {
  const measures = keysOf(MEASURES);
  return {
    head: [BREAKDOWNS[id].noun, "Name", ...measures.map((measure) => MEASURES[measure]), "Share with merged PRs"],
    rows: rows.map((row) => {
      const subject = subjectOf(id, row);
      const name = nameOf(id, subject);
      return [subject, name === subject ? "" : name, ...measures.map((measure) => row[measure]), mergedShare(row)];
    }),
    percentColumn: measures.length + 2,
  };
}
