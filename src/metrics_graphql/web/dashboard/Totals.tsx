/** The totals of a period, each with its change from the period before. */

import { Card } from "./Card";
import type { Metrics, Question } from "./question";
import { percent } from "./Ranking";

export function Totals({ metrics, question }: { metrics: Metrics; question: Question }) {
  const { sessionsCreatedCount: all, previousPeriod } = metrics;
  const change = previousPeriod?.change;
  const of = (part: number) => (all ? `${percent(part / all)} of sessions` : "");
  const totals = [
    { label: "Sessions", value: all, note: "", change: change?.sessionsCreatedCount },
    {
      label: "With merged pull requests",
      value: metrics.sessionsWithMergedPrsCount,
      note: of(metrics.sessionsWithMergedPrsCount),
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
      note: of(metrics.sessionsCreatedWithPlaybookCount),
      change: change?.sessionsCreatedWithPlaybookCount,
    },
    {
      label: "With search",
      value: metrics.sessionsCreatedWithSearchCount,
      note: of(metrics.sessionsCreatedWithSearchCount),
      change: change?.sessionsCreatedWithSearchCount,
    },
  ];
  const table = {
    head: ["Total", "This period", "Change from the period before"],
    rows: totals.map(({ label, value, change }) => [label, value, change ?? ""]),
    shares: 2,
  };
  return (
    <Card title="Totals" hint={spanText(question)} part="totals" question={question} table={table}>
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
    <span className={`change ${direction}`} title="Compared with the period of equal length before">
      {signed(value)}
    </span>
  );
}

function signed(value: number): string {
  return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
}

function spanText({ filters, timeZone }: Question): string {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  return `${format.formatRange(new Date(filters.timeAfter), new Date(filters.timeBefore))}, ${timeZone}`;
}
