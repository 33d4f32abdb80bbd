/** The totals of a period, and their changes from the period that it is compared with. */

import { Card } from "./Card";
import { useResult } from "./context";
import { formatAverage, formatChange, formatNumber, formatPercent, ratio } from "./measures";
import type { Totals } from "./metricsQuery";
import { formatDate, formatRange, formatShortRange, isMaturing, MATURING_DAYS } from "./period";

/** `isShare`: whether the share of all sessions is shown. `matures`: whether it changes when pull requests are merged. */
const TOTALS: { label: string; valueIn: (totals: Totals) => number | null; format?: typeof formatAverage; isShare?: true; matures?: true }[] = [
  { label: "Sessions", valueIn: (totals) => totals.sessionsCreatedCount },
  { label: "With merged pull requests", valueIn: (totals) => totals.sessionsWithMergedPrsCount, isShare: true, matures: true },
  { label: "ACUs", valueIn: (totals) => totals.acusConsumed },
  {
    label: "ACUs per merged session",
    valueIn: (totals) => ratio(totals.acusConsumed, totals.sessionsWithMergedPrsCount),
    format: formatAverage,
    matures: true,
  },
  { label: "Active users", valueIn: (totals) => totals.activeUsers?.totalCount ?? null },
  { label: "ACUs per session", valueIn: (totals) => ratio(totals.acusConsumed, totals.sessionsCreatedCount), format: formatAverage },
  { label: "From a playbook", valueIn: (totals) => totals.sessionsCreatedWithPlaybookCount, isShare: true },
  { label: "With search", valueIn: (totals) => totals.sessionsCreatedWithSearchCount, isShare: true },
];

export function TotalsCard() {
  const { view, result } = useResult();
  const { data, query } = result;
  const isPeriodMaturing = isMaturing(query.current.before, result.fetchedAt);
  // Without sessions before the previous period, its totals may be incomplete, and are not compared.
  const isComparable = data.earlier?.sessionsCreatedCount !== 0;
  const totals = TOTALS.map(({ label, valueIn, format = formatNumber, isShare, matures }) => {
    const value = valueIn(data.metrics);
    const previous = isComparable && data.previous ? valueIn(data.previous) : null;
    const change = value === null || previous === null ? null : ratio(value - previous, previous);
    // The CSS class adds an arrow.
    const direction = change ? (change > 0 ? "up" : "down") : "";
    const share = isShare ? ratio(value ?? 0, data.metrics.sessionsCreatedCount) : null;
    return { label, value, format, previous, change, direction, share, isDimmed: isPeriodMaturing && matures };
  });
  const buildTable = () => ({
    head: ["Total", "This period", "Compared with", "Change"],
    rows: totals.map(({ label, value, previous, change }) => [label, value ?? "", previous ?? "", change ?? ""]),
    percentColumn: 3,
  });
  const comparison = `${isComparable ? "Compared" : "Not compared"} with ${formatRange(query.previous, view.zone)}`;
  const previousRange = formatShortRange(query.previous, view.zone);
  return (
    <Card id="totals" title="Totals" subtitle={comparison} buildTable={buildTable}>
      <dl className="totals">
        {totals.map(({ label, value, format, previous, change, direction, share, isDimmed }) => (
          <div key={label} className={isDimmed ? "maturing" : ""}>
            <dt>{label}</dt>
            <dd className="total">{format(value)}</dd>
            {isComparable ? (
              <>
                <dd className={`change ${direction}`}>{change === null ? "–" : formatChange(change)}</dd>
                <dd className="note">
                  {previous === null ? "none" : `from ${format(previous)}`}, {previousRange}
                </dd>
              </>
            ) : (
              <dd className="note">– no data back to {formatDate(query.previous.dates.from)}</dd>
            )}
            <dd className="note">
              {share !== null && <span>{formatPercent(share)} of sessions</span>}
              {isDimmed && <span title={`Pull requests of the last ${MATURING_DAYS} days may yet be merged.`}>last {MATURING_DAYS} days still maturing</span>}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}
