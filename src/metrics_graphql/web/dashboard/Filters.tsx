/** The filter bar: a row of pickers, or a sheet on a phone. */

import { useEffect, useState } from "react";

import { nameOf, rememberNames, useDashboard } from "./context";
import { ORIGIN_NAMES, SIZE_NAMES } from "./measures";
import { PeriodPicker } from "./PeriodPicker";
import { Popover } from "./Popover";
import { useOptions } from "./queries";
import { countFilters, NO_FILTERS } from "./view";

const KINDS = {
  users: { label: "Users", kind: "USER" },
  serviceUsers: { label: "Service users", kind: "SERVICE_USER" },
  playbooks: { label: "Playbooks", kind: "PLAYBOOK" },
};
export type KindId = keyof typeof KINDS;
export const KIND_IDS = Object.keys(KINDS) as KindId[];
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
        {KIND_IDS.map((id) => (
          <IdPicker key={id} id={id} />
        ))}
        <ChoicePicker
          label="Origin"
          names={ORIGIN_NAMES}
          chosen={view.origins}
          onChange={(origins) => changeView({ origins: origins as typeof view.origins })}
        />
        <ChoicePicker label="Size" names={SIZE_NAMES} chosen={view.sizes} onChange={(sizes) => changeView({ sizes: sizes as typeof view.sizes })} />
        <ChoicePicker
          label="Merged"
          names={MERGED_NAMES}
          chosen={view.merged ? [view.merged] : []}
          // Both together are no filter.
          onChange={(chosen) => changeView({ merged: chosen.length === 1 ? (chosen[0] as "yes" | "no") : "" })}
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

/** Returns the label of a picker: what is chosen, if anything. */
function describe(label: string, chosen: string[]): string {
  const [first, ...rest] = chosen;
  return first ? `${first}${rest.length ? ` +${rest.length}` : ""}` : label;
}

/** A picker of a few choices. */
function ChoicePicker(props: { label: string; names: Record<string, string>; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const { label, names, chosen } = props;
  return (
    <Popover
      className={chosen.length ? "pill active" : "pill"}
      label={label}
      summary={describe(
        label,
        chosen.map((id) => (label === "Size" && id !== "other" ? `Size ${names[id]}` : names[id]!)),
      )}
    >
      <Options ids={Object.keys(names)} nameOfId={(id) => names[id]!} chosen={chosen} onChange={props.onChange} />
    </Popover>
  );
}

/** A picker that searches all users, service users or playbooks by name or id. */
function IdPicker({ id }: { id: KindId }) {
  const { token, view, changeView } = useDashboard();
  const { label, kind } = KINDS[id];
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const search = useDebounced(typed.trim());
  const options = useOptions(token, view.org, isOpen ? kind : "", search);
  const found = options.data ?? [];
  rememberNames(id, found);
  const chosen = view[id];
  // Chosen ones stay on top, so that a search does not hide them.
  const ids = [...new Set([...chosen, ...found.map((option) => option.id)])];
  const isSettled = search === typed.trim() && !options.isLoading;
  return (
    <Popover
      className={chosen.length ? "pill active" : "pill"}
      label={label}
      summary={describe(
        label,
        chosen.map((each) => nameOf(id, each)),
      )}
      onToggle={setOpen}
    >
      <input
        type="search"
        aria-label={`Search ${label.toLowerCase()} by name or ID`}
        placeholder="Search by name or ID"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <Options ids={ids} nameOfId={(each) => nameOf(id, each)} chosen={chosen} onChange={(changed) => changeView({ [id]: changed })} />
      <p className="hint" role="status">
        {options.error?.message ??
          (!isSettled
            ? "Searching…"
            : found.length === 0
              ? `None matches${search && ` “${search}”`}.`
              : found.length === 50
                ? "The first 50. Search for others."
                : "")}
      </p>
    </Popover>
  );
}

function Options(props: { ids: string[]; nameOfId: (id: string) => string; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const { ids, nameOfId, chosen, onChange } = props;
  return (
    <div className="options">
      {ids.map((id) => (
        <label key={id} title={id}>
          <input
            type="checkbox"
            checked={chosen.includes(id)}
            onChange={() => onChange(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id])}
          />
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
