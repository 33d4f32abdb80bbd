/** The totals of a period, each with its change from the previous period. */

import { Card } from "./Card";
import type { Metrics, MetricsQuery } from "./metricsQuery";
import { percent } from "./Ranking";

export function TotalsCard({ metrics, query }: { metrics: Metrics; query: MetricsQuery }) {
  const { sessionsCreatedCount: sessions, previousPeriod } = metrics;
  const change = previousPeriod?.change;
  const shareOf = (count: number) => (sessions ? `${percent(count / sessions)} of sessions` : "");
  const totals = [
    { label: "Sessions", value: sessions, note: "", change: change?.sessionsCreatedCount },
    {
      label: "With merged pull requests",
      value: metrics.sessionsWithMergedPrsCount,
      note: shareOf(metrics.sessionsWithMergedPrsCount),
      change: change?.sessionsWithMergedPrsCount,
    },
    {
      label: "ACUs per session",
      value: metrics.avgAcusPerSession,
      note: "on average",
      change: change?.avgAcusPerSession,
    },
    {
      label: "From a playbook",
      value: metrics.sessionsCreatedWithPlaybookCount,
      note: shareOf(metrics.sessionsCreatedWithPlaybookCount),
      change: change?.sessionsCreatedWithPlaybookCount,
    },
    {
      label: "With search",
      value: metrics.sessionsCreatedWithSearchCount,
      note: shareOf(metrics.sessionsCreatedWithSearchCount),
      change: change?.sessionsCreatedWithSearchCount,
    },
  ];
  const table = {
    head: ["Total", "This period", "Change from the previous period"],
    rows: totals.map(({ label, value, change }) => [label, value, change ?? ""]),
    percentColumn: 2,
  };
  return (
    <Card id="totals" title="Totals" subtitle={formatTimeRange(query)} query={query} table={table}>
      <dl className="totals">
        {totals.map(({ label, value, note, change }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className="total">{Number.isInteger(value) ? value.toLocaleString() : value.toLocaleString(undefined, { maximumFractionDigits: 2 })}</dd>
            <dd className="note">
              {change != null && <Change value={change} />} {note}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function Change({ value }: { value: number }) {
  const direction = value > 0 ? "up" : value < 0 ? "down" : "same";
  return (
    <span className={`change ${direction}`} title="Compared with the previous period of the same length">
      {signedPercent(value)}
    </span>
  );
}

function signedPercent(value: number): string {
  return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
}

function formatTimeRange({ filters, timeZone }: MetricsQuery): string {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  return `${format.formatRange(new Date(filters.timeAfter), new Date(filters.timeBefore))}, ${timeZone}`;
}
