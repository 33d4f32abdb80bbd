/** Rows by their number of sessions, each with a bar; choosing one filters by it. */

import type { Row } from "./question";

interface RankingProps<R extends Row> {
  rows: R[];
  idOf: (row: R) => string;
  /** A word beside the id, or none. */
  markOf: (row: R) => string;
  isChosen: (row: R) => boolean;
  onChoose: (row: R) => void;
}

export function Ranking<R extends Row>({ rows, idOf, markOf, isChosen, onChoose }: RankingProps<R>) {
  const most = Math.max(1, ...rows.map((row) => row.sessionsCreatedCount));
  if (rows.length === 0) return <p className="empty">None of these sessions names one.</p>;
  return (
    <ol className="ranking">
      {rows.map((row) => {
        const id = idOf(row);
        const mark = markOf(row);
        return (
          <li key={`${mark} ${id}`}>
            <button aria-pressed={isChosen(row)} onClick={() => onChoose(row)} title={id}>
              <span className="name">
                <span>{id}</span>
                {mark && <em>{mark}</em>}
              </span>
              <span className="value">{row.sessionsCreatedCount.toLocaleString()}</span>
              <span className="track" aria-hidden="true">
                <span style={{ width: `${(row.sessionsCreatedCount / most) * 100}%` }}>
                  <span style={{ width: `${share(row) * 100}%` }} />
                </span>
              </span>
              <span className="detail">
                {percent(share(row))} merged · {row.avgAcusPerSession.toFixed(1)} ACUs
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function share(row: Row): number {
  return row.sessionsCreatedCount ? row.sessionsWithMergedPrsCount / row.sessionsCreatedCount : 0;
}

/** A share in percent. */
export function percent(value: number): string {
  return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 });
}
