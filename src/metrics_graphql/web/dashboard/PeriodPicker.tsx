/** The picker of the period, of what it is compared with, and of the time zone. */

import { useEffect, useState } from "react";

import { useDashboard } from "./context";
import {
  BROWSER_ZONE,
  canonicalZone,
  type Comparison,
  COMPARISONS,
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
      <DateForm />
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

/** Two dates. They are used once they are applied. */
function DateForm() {
  const { view, changeView } = useDashboard();
  const { dates } = toTimeRanges(view.period, view.comparison, view.zone, new Date()).current;
  const [typed, setTyped] = useState(dates);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    setTyped(dates);
    setProblem("");
  }, [dates.from, dates.to]);
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
