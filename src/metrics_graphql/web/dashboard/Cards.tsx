/** The cards of a view. */

import { AcusCard, OverTimeCard } from "./ChartCards";
import { useResult } from "./context";
import { ErrorNotice } from "./ErrorNotice";
import { type Measure, MEASURES } from "./measures";
import { RANKINGS } from "./metricsQuery";
import { addDays, formatDate } from "./period";
import { useNewestDate } from "./queries";
import { BreakdownCard, MergedKey } from "./Ranking";
import { TotalsCard } from "./TotalsCard";
import { countFilters, DEFAULT_ORDER, ENTERPRISE, NO_FILTERS } from "./view";

/** `isStale`: whether a newer result is loading, or has failed to load. */
export function Cards({ isStale }: { isStale: boolean }) {
  const { view, changeView, result } = useResult();
  const { metrics } = result.data;
  const messages = [...new Set(result.errors.map(({ message }) => message))];
  return (
    <div className={isStale ? "cards stale" : "cards"}>
      {messages.map((message) => (
        <ErrorNotice key={message}>Some metrics are missing: {message}</ErrorNotice>
      ))}
      {metrics.sessionsCreatedCount === 0 && <NoSessions />}
      <TotalsCard />
      {metrics.sessionsCreatedCount > 0 && (
        <>
          {metrics.timeSeries && <OverTimeCard />}
          <div className="pair">
            <BreakdownCard id="origins" />
            <div className="column">
              <BreakdownCard id="sizes" />
              {metrics.timeSeries && <AcusCard />}
            </div>
          </div>
          <div className="section-head">
            <h2>Rankings</h2>
            <p>{view.order === DEFAULT_ORDER && <MergedKey />}</p>
            <label>
              Ranked by{" "}
              <select value={view.order} onChange={(event) => changeView({ order: event.target.value as Measure })}>
                {Object.entries(MEASURES).map(([measure, label]) => (
                  <option key={measure} value={measure}>
                    {label}
                  </option>
                ))}
              </select>
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
  const { token, changeView, view, result } = useResult();
  const newest = useNewestDate(token, result.query);
  const isFiltered = countFilters(view) > 0;
  const date = newest.data;
  return (
    <section className="card no-sessions">
      <h2>No sessions in this period</h2>
      {date && <p>The newest that matches was created on {formatDate(date)}.</p>}
      {date && (
        <button className="primary" onClick={() => changeView({ period: { from: addDays(date, 1 - DAYS_SHOWN), to: date } })}>
          Show the {DAYS_SHOWN} days up to it
        </button>
      )}
      {!date && !newest.isLoading && !newest.error && <p>{isFiltered ? "No sessions match in any period." : "There are no sessions in any period."}</p>}
      {isFiltered && (
        <button className="quiet" onClick={() => changeView(NO_FILTERS)}>
          Remove the filters
        </button>
      )}
    </section>
  );
}
