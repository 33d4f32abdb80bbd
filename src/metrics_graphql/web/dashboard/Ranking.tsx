/** A ranking by number of sessions, with bars. A click on a row filters by it. */

import type { BreakdownRow } from "./metricsQuery";

interface RankingProps<Row extends BreakdownRow> {
  rows: Row[];
  getId: (row: Row) => string;
  /** A label after the id, or an empty string. */
  getBadge: (row: Row) => string;
  isSelected: (row: Row) => boolean;
  onSelect: (row: Row) => void;
}

export function Ranking<Row extends BreakdownRow>({ rows, getId, getBadge, isSelected, onSelect }: RankingProps<Row>) {
  const maxCount = Math.max(1, ...rows.map((row) => row.sessionsCreatedCount));
  if (rows.length === 0) return <p className="empty">None in this period.</p>;
  return (
    <ol className="ranking">
      {rows.map((row) => {
        const id = getId(row);
        const badge = getBadge(row);
        return (
          <li key={`${badge} ${id}`}>
            <button aria-pressed={isSelected(row)} onClick={() => onSelect(row)} title={id}>
              <span className="name">
                <span>{id}</span>
                {badge && <em>{badge}</em>}
              </span>
              <span className="value">{row.sessionsCreatedCount.toLocaleString()}</span>
              <span className="track" aria-hidden="true">
                <span style={{ width: `${(row.sessionsCreatedCount / maxCount) * 100}%` }}>
                  <span style={{ width: `${mergedShare(row) * 100}%` }} />
                </span>
              </span>
              <span className="detail">
                {percent(mergedShare(row))} merged · {row.avgAcusPerSession.toFixed(1)} ACUs
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function mergedShare(row: BreakdownRow): number {
  return row.sessionsCreatedCount ? row.sessionsWithMergedPrsCount / row.sessionsCreatedCount : 0;
}

/** Formats a ratio as a percentage. */
export function percent(ratio: number): string {
  return ratio.toLocaleString(undefined, { style: "percent", maximumFractionDigits: ratio < 0.1 ? 1 : 0 });
}
