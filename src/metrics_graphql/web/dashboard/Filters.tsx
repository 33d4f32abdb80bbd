/** The pickers of the period and the filters: a row, or on a small screen a sheet of filters. */

import { useState } from "react";

import { nameOf, useDashboard } from "./context";
import { closing, Popover, Select } from "./controls";
import { keysOf } from "./measures";
import { MAX_OPTIONS } from "./metricsQuery";
import { BROWSER_ZONE, canonicalZone, COMPARISONS, type DateRange, dateRangeProblem, formatDate, MAX_DATE, MIN_DATE, PRESETS, toTimeRanges } from "./period";
import { useOptions } from "./queries";
import { type FilterId, FILTERS, filtersOf, NO_FILTERS } from "./view";

export function FilterBar() {
  const { view, changeView } = useDashboard();
  const [isOpen, setOpen] = useState(false);
  const count = filtersOf(view).length;
  return (
    <section className="filters" aria-label="Period and filters">
      <PeriodPicker />
      <button className="pill open-sheet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        Filters{count > 0 && ` (${count})`}
      </button>
      <div className={isOpen ? "sheet open" : "sheet"} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
        <div className="sheet-head">
          <strong>Filters</strong>
          <button className="quiet" onClick={() => setOpen(false)}>
            Done
          </button>
        </div>
        {keysOf(FILTERS).map((id) => (
          <Picker key={id} id={id} />
        ))}
        {count > 0 && (
          <button className="quiet" onClick={() => changeView(NO_FILTERS)}>
            Clear
          </button>
        )}
      </div>
    </section>
  );
}

/** A button with the period, which opens its settings, those of its comparison, and of the time zone. */
function PeriodPicker() {
  const { view, changeView } = useDashboard();
  const { period, comparison, zone } = view;
  const { dates } = toTimeRanges(period, comparison, zone, new Date()).current;
  const label = typeof period === "string" ? PRESETS[period] : `${formatDate(period.from)} – ${formatDate(period.to)}`;
  // The browser's time zone, the current one and UTC come first.
  const zones = [canonicalZone(BROWSER_ZONE) ?? "UTC", zone, "UTC", ...Intl.supportedValuesOf("timeZone")];
  return (
    <Popover className="pill period" label="Period" summary={label}>
      <div className="presets">
        {keysOf(PRESETS).map((id) => (
          <button key={id} aria-pressed={period === id} onClick={closing(() => changeView({ period: id }))}>
            {PRESETS[id]}
          </button>
        ))}
      </div>
      <DateForm key={`${dates.from} ${dates.to}`} initialDates={dates} />
      <label>
        Compare with
        <Select value={comparison} values={keysOf(COMPARISONS)} nameOf={(id) => COMPARISONS[id]} onChange={(id) => changeView({ comparison: id })} />
      </label>
      <label>
        Time zone
        <Select value={zone} values={[...new Set(zones)]} onChange={(changed) => changeView({ zone: changed })} />
      </label>
    </Popover>
  );
}

function DateForm({ initialDates }: { initialDates: DateRange }) {
  const { changeView } = useDashboard();
  const [typed, setTyped] = useState(initialDates);
  const [problem, setProblem] = useState("");
  const apply = (event: React.FormEvent) => {
    event.preventDefault();
    const found = dateRangeProblem(typed.from, typed.to);
    setProblem(found);
    if (!found) closing(() => changeView({ period: typed }))();
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

/** A button with the first of the chosen values and the number of others, or with the label if there are none. */
function Picker({ id }: { id: FilterId }) {
  const { view } = useDashboard();
  const { label, names } = FILTERS[id];
  const [isOpen, setOpen] = useState(false);
  const [first, ...others]: string[] = view[id];
  const prefix = id === "sizes" && first !== "other" ? "Size " : "";
  const summary = first ? `${prefix}${nameOf(id, first)}${others.length ? ` +${others.length}` : ""}` : label;
  return (
    <Popover className={first ? "pill active" : "pill"} label={label} summary={summary} onToggle={(event) => setOpen(event.currentTarget.open)}>
      {names ? <Options id={id} values={Object.keys(names)} /> : <Search id={id} isOpen={isOpen} />}
    </Popover>
  );
}

function Search({ id, isOpen }: { id: FilterId; isOpen: boolean }) {
  const { view } = useDashboard();
  const [typed, setTyped] = useState("");
  const search = typed.trim();
  const options = useOptions(view.org, id, isOpen ? search : null);
  const found = options.data ?? [];
  return (
    <>
      <input
        type="search"
        aria-label={`Search ${FILTERS[id].label.toLowerCase()} by name or ID`}
        placeholder="Search by name or ID"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {/* Chosen ones stay on top, so that a search does not hide them. */}
      <Options id={id} values={[...new Set([...view[id], ...found])]} />
      <p className="hint" role="status">
        {options.error?.message ?? (options.isLoading ? "Searching…" : describeFound(found.length, search))}
      </p>
    </>
  );
}

function describeFound(count: number, search: string): string {
  if (count === 0) return search ? `None matches “${search}”.` : "None matches.";
  return count === MAX_OPTIONS ? `The first ${MAX_OPTIONS}. Search for others.` : "";
}

function Options({ id, values }: { id: FilterId; values: string[] }) {
  const { view, changeView } = useDashboard();
  const chosen: string[] = view[id];
  const toggle = (value: string) => {
    const changed = chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
    // Merged and not merged together are no filter.
    changeView({ [id]: id === "merged" && changed.length > 1 ? [] : changed });
  };
  return (
    <div className="options">
      {values.map((value) => (
        <label key={value} title={value}>
          <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(value)} />
          <span>{nameOf(id, value)}</span>
        </label>
      ))}
    </div>
  );
}
