/** The filter bar: a row of pickers, or a sheet on a small screen. */

import { type ReactNode, useEffect, useState } from "react";

import { nameOf, storeNames, useDashboard } from "./context";
import { ORIGIN_NAMES, SIZE_NAMES } from "./measures";
import { BREAKDOWNS, MAX_OPTIONS, type RankingId, RANKINGS, toEnumValue } from "./metricsQuery";
import { PeriodPicker } from "./PeriodPicker";
import { Popover } from "./Popover";
import { useOptions } from "./queries";
import { countFilters, NO_FILTERS } from "./view";

const MERGED_NAMES = { yes: "Merged", no: "Not merged" };

export function FilterBar() {
  const { view, changeView } = useDashboard();
  const [isOpen, setOpen] = useState(false);
  const count = countFilters(view);
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
        {RANKINGS.map((kind) => (
          <IdPicker key={kind} kind={kind} />
        ))}
        <ChoicePicker label="Origin" names={ORIGIN_NAMES} chosen={view.origins} onChange={(origins) => changeView({ origins })} />
        <ChoicePicker label="Size" names={SIZE_NAMES} chosen={view.sizes} onChange={(sizes) => changeView({ sizes })} />
        <ChoicePicker
          label="Merged"
          names={MERGED_NAMES}
          chosen={view.merged ? [view.merged] : []}
          // Both together are no filter.
          onChange={([merged, other]) => changeView({ merged: merged && !other ? merged : "" })}
        />
        {count > 0 && (
          <button className="quiet" onClick={() => changeView(NO_FILTERS)}>
            Clear
          </button>
        )}
      </div>
    </section>
  );
}

interface ChoicePickerProps<Choice extends string> {
  label: string;
  names: Record<Choice, string>;
  chosen: Choice[];
  onChange: (chosen: Choice[]) => void;
}

/** A picker of a few choices. */
function ChoicePicker<Choice extends string>({ label, names, chosen, onChange }: ChoicePickerProps<Choice>) {
  const chosenNames = chosen.map((id) => (label === "Size" && id !== "other" ? `Size ${names[id]}` : names[id]));
  return (
    <Picker label={label} chosenNames={chosenNames}>
      <Options ids={Object.keys(names) as Choice[]} nameOfId={(id) => names[id]} chosen={chosen} onChange={onChange} />
    </Picker>
  );
}

/** A button with the first of the chosen names and the number of others, or with the label if there are none. */
function Picker(props: { label: string; chosenNames: string[]; onToggle?: (isOpen: boolean) => void; children: ReactNode }) {
  const { chosenNames, ...popover } = props;
  const [first = props.label, ...others] = chosenNames;
  const summary = others.length ? `${first} +${others.length}` : first;
  return <Popover className={chosenNames.length ? "pill active" : "pill"} summary={summary} {...popover} />;
}

/** A picker that searches all users, service users or playbooks by name or id. */
function IdPicker({ kind }: { kind: RankingId }) {
  const { token, view, changeView } = useDashboard();
  const { title: label, node } = BREAKDOWNS[kind];
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const search = useDebounced(typed.trim());
  const options = useOptions(token, view.org, isOpen ? toEnumValue(node) : "", search);
  const found = options.data ?? [];
  storeNames(kind, found);
  const chosen = view[kind];
  // Chosen ones stay on top, so that a search does not hide them.
  const ids = [...new Set([...chosen, ...found.map((option) => option.id)])];
  const isSettled = search === typed.trim() && !options.isLoading;
  return (
    <Picker label={label} chosenNames={chosen.map((id) => nameOf(kind, id))} onToggle={setOpen}>
      <input
        type="search"
        aria-label={`Search ${label.toLowerCase()} by name or ID`}
        placeholder="Search by name or ID"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <Options ids={ids} nameOfId={(id) => nameOf(kind, id)} chosen={chosen} onChange={(changed) => changeView({ [kind]: changed })} />
      <p className="hint" role="status">
        {options.error?.message ?? (isSettled ? describeFound(found.length, search) : "Searching…")}
      </p>
    </Picker>
  );
}

/** Returns a hint if nothing is found, or if there may be more. */
function describeFound(count: number, search: string): string {
  if (count === 0) return search ? `None matches “${search}”.` : "None matches.";
  return count === MAX_OPTIONS ? `The first ${MAX_OPTIONS}. Search for others.` : "";
}

interface OptionsProps<Id extends string> {
  ids: Id[];
  nameOfId: (id: Id) => string;
  chosen: Id[];
  onChange: (chosen: Id[]) => void;
}

function Options<Id extends string>({ ids, nameOfId, chosen, onChange }: OptionsProps<Id>) {
  const toggle = (id: Id) => onChange(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  return (
    <div className="options">
      {ids.map((id) => (
        <label key={id} title={id}>
          <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
          <span>{nameOfId(id)}</span>
        </label>
      ))}
    </div>
  );
}

const DEBOUNCE_MILLISECONDS = 250;

function useDebounced(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), DEBOUNCE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
