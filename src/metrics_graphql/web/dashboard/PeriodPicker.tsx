/** The picker of the period, its comparison, and the time zone. */

import { useState } from "react";

import { useDashboard } from "./context";
import {
  BROWSER_ZONE,
  canonicalZone,
  type Comparison,
  COMPARISONS,
  type DateRange,
  dateRangeProblem,
  formatDate,
  MAX_DATE,
  MIN_DATE,
  type PresetId,
  PRESETS,
  toTimeRanges,
} from "./period";
import { closing, Popover } from "./Popover";

export function PeriodPicker() {
  const { view, changeView } = useDashboard();
  const { period, zone } = view;
  const { dates } = toTimeRanges(period, view.comparison, zone, new Date()).current;
  const label = typeof period === "string" ? PRESETS[period] : `${formatDate(period.from)} – ${formatDate(period.to)}`;
  return (
    <Popover className="pill period" label="Period" summary={label}>
      <div className="presets">
        {Object.entries(PRESETS).map(([id, name]) => (
          <button key={id} aria-pressed={period === id} onClick={closing(() => changeView({ period: id as PresetId }))}>
            {name}
          </button>
        ))}
      </div>
      <DateForm key={`${dates.from} ${dates.to}`} initialDates={dates} />
      <label>
        Compare with
        <select value={view.comparison} onChange={(event) => changeView({ comparison: event.target.value as Comparison })}>
          {Object.entries(COMPARISONS).map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Time zone
        <select value={zone} onChange={(event) => changeView({ zone: event.target.value })}>
          {zones(zone).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    </Popover>
  );
}

/** Returns all time zones: the browser's, the current one and UTC first. */
function zones(current: string): string[] {
  return [...new Set([canonicalZone(BROWSER_ZONE) ?? "UTC", current, "UTC", ...Intl.supportedValuesOf("timeZone")])];
}

/** A form with the first and the last day of a period. */
function DateForm({ initialDates }: { initialDates: DateRange }) {
  const { changeView } = useDashboard();
  const [typed, setTyped] = useState(initialDates);
  const [problem, setProblem] = useState("");
  const apply = (event: React.FormEvent<HTMLElement>) => {
    event.preventDefault();
    const found = dateRangeProblem(typed.from, typed.to);
    setProblem(found);
    if (!found) closing(() => changeView({ period: typed }))(event);
  };
  const input = (name: "from" | "to", label: string) => (
    <label>
      {label}
      <input type="date" value={typed[name]} min={MIN_DATE} max={MAX_DATE} onChange={(event) => setTyped({ ...typed, [name]: event.target.value })} />
    </label>
  );
  return (
    <form className="dates" noValidate onSubmit={apply}>
      {input("from", "First day")}
      {input("to", "Last day")}
      <button className="apply">Apply</button>
      {problem && (
        <p className="error" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
