/** The cards of a view, with that of its totals. */

import { Card } from "./Card";
import { AcusCard, OverTimeCard } from "./ChartCards";
import { useResult } from "./context";
import { ErrorNotice, Select } from "./controls";
import { formatAverage, formatChange, formatNumber, formatPercent, keysOf, MEASURES, ratio } from "./measures";
import { RANKINGS, type Totals } from "./metricsQuery";
import { addDays, formatDate, formatRange, formatShortRange, isMaturing, MATURING_DAYS } from "./period";
import { useNewestDate } from "./queries";
import { BreakdownCard, MergedKey } from "./Ranking";
import { DEFAULT_ORDER, ENTERPRISE, filtersOf, NO_FILTERS } from "./view";

/** `isStale`: whether a newer result is loading, or has failed to load. */
export function Cards({ isStale }: { isStale: boolean }) {
  const { view, changeView, result } = useResult();
  const { sessionsCreatedCount, timeSeries } = result.data.metrics;
  const messages = new Set(result.errors.map(({ message }) => message));
  return (
    <div className={isStale ? "cards stale" : "cards"}>
      {Array.from(messages, (message) => (
        <ErrorNotice key={message}>Some metrics are missing: {message}</ErrorNotice>
      ))}
      {sessionsCreatedCount === 0 && <NoSessions />}
      <TotalsCard />
      {sessionsCreatedCount > 0 && (
        <>
          {timeSeries && <OverTimeCard buckets={timeSeries} />}
          <div className="pair">
            <BreakdownCard id="origins" />
            <div className="column">
              <BreakdownCard id="sizes" />
              {timeSeries && <AcusCard buckets={timeSeries} />}
            </div>
          </div>
          <div className="section-head">
            <h2>Rankings</h2>
            <p>{view.order === DEFAULT_ORDER && <MergedKey />}</p>
            <label>
              Ranked by <Select value={view.order} values={keysOf(MEASURES)} nameOf={(id) => MEASURES[id]} onChange={(order) => changeView({ order })} />
            </label>
          </div>
          <div className={view.org === ENTERPRISE ? "pair" : "triple"}>
            {view.org === ENTERPRISE && <BreakdownCard id="organizations" />}
            {RANKINGS.map((id) => (
              <BreakdownCard key={id} id={id} />
            ))}
          </div>
        </>
      )}
    </div>
  );
}

const DAYS_SHOWN = 30;

/** The notice of an empty result, with a button that shows the days up to the newest session. */
function NoSessions() {
  const { changeView, view, result } = useResult();
  const { data: date, isLoading, error } = useNewestDate(result.query);
  const isFiltered = filtersOf(view).length > 0;
  return (
    <section className="card no-sessions">
      <h2>No sessions in this period</h2>
      {date && <p>The newest that matches was created on {formatDate(date)}.</p>}
      {date && (
        <button className="primary" onClick={() => changeView({ period: { from: addDays(date, 1 - DAYS_SHOWN), to: date } })}>
          Show the {DAYS_SHOWN} days up to it
        </button>
      )}
      {!date && !isLoading && !error && <p>{isFiltered ? "No sessions match in any period." : "There are no sessions in any period."}</p>}
      {isFiltered && (
        <button className="quiet" onClick={() => changeView(NO_FILTERS)}>
          Remove the filters
        </button>
      )}
    </section>
  );
}

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

/** The totals of a period, and their changes from the period that it is compared with. */
function TotalsCard() {
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
