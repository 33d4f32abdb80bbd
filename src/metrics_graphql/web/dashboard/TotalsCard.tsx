/** The totals of a period, each with its change, and with what it is compared with. */

import { Card } from "./Card";
import { useResult } from "./context";
import { formatNumber, percent, ratio, signedPercent } from "./measures";
import type { Totals } from "./metricsQuery";
import { formatDate, formatRange, formatShort, MATURING_DAYS } from "./period";
import type { MetricsResult } from "./queries";

interface Total {
  label: string;
  of: (totals: Totals) => number | null;
  /** Whether to show the share of all sessions. */
  isShare?: boolean;
  /** Whether it changes when pull requests are merged. */
  matures?: boolean;
}

const TOTALS: Total[] = [
  { label: "Sessions", of: (totals) => totals.sessionsCreatedCount },
  { label: "With merged pull requests", of: (totals) => totals.sessionsWithMergedPrsCount, isShare: true, matures: true },
  { label: "ACUs", of: (totals) => totals.acusConsumed },
  { label: "ACUs per merged session", of: (totals) => ratio(totals.acusConsumed, totals.sessionsWithMergedPrsCount), matures: true },
  { label: "Active users", of: (totals) => totals.activeUsers?.totalCount ?? null },
  { label: "ACUs per session", of: (totals) => ratio(totals.acusConsumed, totals.sessionsCreatedCount) },
  { label: "From a playbook", of: (totals) => totals.sessionsCreatedWithPlaybookCount, isShare: true },
  { label: "With search", of: (totals) => totals.sessionsCreatedWithSearchCount, isShare: true },
];

/** Whether pull requests of sessions at an instant may yet be merged. */
export function isMaturing(instant: Date, { fetchedAt }: MetricsResult): boolean {
  return instant.getTime() > fetchedAt.getTime() - MATURING_DAYS * 86_400_000;
}

export function TotalsCard() {
  const { view, result } = useResult();
  const { data, query } = result;
  const { metrics, previous } = data;
  const matures = isMaturing(query.current.before, result);
  const reachesBack = data.earlier?.sessionsCreatedCount !== 0;
  const valueOf = ({ of }: Total, totals: Totals | null) => (totals ? of(totals) : null);
  const table = {
    head: ["Total", "This period", "Compared with", "Change"],
    rows: TOTALS.map((total) => {
      const [value, before] = [valueOf(total, metrics), reachesBack ? valueOf(total, previous) : null];
      return [total.label, value ?? "", before ?? "", changeOf(value, before) ?? ""];
    }),
    percentColumn: 3,
  };
  return (
    <Card id="totals" title="Totals" subtitle={`Compared with ${formatRange(query.previous, view.zone)}`} table={table}>
      <dl className="totals">
        {TOTALS.map((total) => {
          const value = valueOf(total, metrics);
          const share = total.isShare && ratio(value ?? 0, metrics.sessionsCreatedCount);
          const isDimmed = matures && total.matures;
          return (
            <div key={total.label} className={isDimmed ? "maturing" : ""}>
              <dt>{total.label}</dt>
              <dd className="total">{formatNumber(value)}</dd>
              {reachesBack ? (
                <Change value={value} before={valueOf(total, previous)} period={formatShort(query.previous, view.zone)} />
              ) : (
                <dd className="note">– no data back to {formatDate(query.previous.dates.from)}</dd>
              )}
              <dd className="note">
                {share != null && share !== false && <span>{percent(share)} of sessions</span>}
                {isDimmed && <span title={`Pull requests of the last ${MATURING_DAYS} days may yet be merged.`}>last {MATURING_DAYS} days still maturing</span>}
              </dd>
            </div>
          );
        })}
      </dl>
    </Card>
  );
}

function changeOf(value: number | null, before: number | null): number | null {
  return value === null || before === null ? null : ratio(value - before, before);
}

function Change({ value, before, period }: { value: number | null; before: number | null; period: string }) {
  const change = changeOf(value, before);
  const direction = change === null ? "none" : change > 0 ? "up" : change < 0 ? "down" : "same";
  return (
    <>
      <dd className={`change ${direction}`}>{change === null ? "–" : signedPercent(change)}</dd>
      <dd className="note">
        {before === null ? "none" : `from ${formatNumber(before)}`}, {period}
      </dd>
    </>
  );
}
