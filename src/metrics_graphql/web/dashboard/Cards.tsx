/** The cards of a view. */

import { AcusCard, OverTimeCard } from "./ChartCards";
import { useResult } from "./context";
import { ErrorNotice, Select } from "./controls";
import { keysOf, MEASURES } from "./measures";
import { RANKINGS } from "./metricsQuery";
import { addDays, formatDate } from "./period";
import { useNewestDate } from "./queries";
import { BreakdownCard, MergedKey } from "./Ranking";
import { TotalsCard } from "./TotalsCard";
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
