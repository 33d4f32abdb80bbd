/** The header with the organization, and the filter bar with period, users and playbook. */

import { useEffect, useId, useRef, useState } from "react";

import { isDate, MIN_DATE, PRESETS, TIME_ZONE, toDateRange } from "./period";
import type { MetricsResult } from "./queries";
import { Logo } from "./SignIn";
import type { View } from "./view";

interface ViewProps {
  view: View;
  onChange: (change: Partial<View>) => void;
}

export function Header(props: ViewProps & { organizations: string[]; name: string; onSignOut: () => void }) {
  const { view, organizations } = props;
  // The list is limited, so that the organization in the URL may not be in it.
  const options = organizations.includes(view.org) || !view.org ? organizations : [view.org, ...organizations];
  return (
    <header>
      <div className="brand">
        <Logo />
        <h1>Session metrics</h1>
      </div>
      <label className="organization">
        <span className="visually-hidden">Organization</span>
        <select value={view.org} onChange={(event) => props.onChange({ org: event.target.value, users: [], serviceUsers: [], playbook: "" })}>
          {options.map((id) => (
            <option key={id}>{id}</option>
          ))}
        </select>
      </label>
      <nav>
        <a href="graphql">GraphiQL</a>
        <button className="quiet" onClick={props.onSignOut} title={props.name && `Signed in as ${props.name}`}>
          Sign out
        </button>
      </nav>
    </header>
  );
}

export function FilterBar({ view, result, onChange }: ViewProps & { result: MetricsResult | null }) {
  const users = result?.metrics.byUser?.nodes.map(({ user }) => user.id) ?? [];
  const serviceUsers = result?.metrics.byServiceUser?.nodes.map(({ serviceUser }) => serviceUser.id) ?? [];
  const playbooks = result?.metrics.byPlaybook?.nodes.map(({ playbook }) => playbook.id) ?? [];
  return (
    <section className="filters" aria-label="Period and filters">
      <PeriodPicker view={view} onChange={onChange} />
      <IdFilter label="Users" ids={view.users} suggestions={users} onChange={(ids) => onChange({ users: ids })} />
      <IdFilter
        label="Service users"
        ids={view.serviceUsers}
        suggestions={serviceUsers}
        onChange={(ids) => onChange({ serviceUsers: ids })}
      />
      <IdFilter label="Playbook" ids={view.playbook ? [view.playbook] : []} suggestions={playbooks} onChange={(ids) => onChange({ playbook: ids.at(-1) ?? "" })} />
    </section>
  );
}

function PeriodPicker({ view, onChange }: ViewProps) {
  const dates = toDateRange(view.period, new Date());
  const changeDate = (name: "from" | "to", date: string) => {
    const changed = { ...dates, [name]: date };
    // Dates out of order become a single day.
    onChange({ period: changed.from <= changed.to ? changed : { from: date, to: date } });
  };
  return (
    <div className="period">
      <div className="segments" role="group" aria-label="Period">
        {PRESETS.map(({ id, label }) => (
          <button key={id} aria-pressed={view.period === id} onClick={() => onChange({ period: id })}>
            {label}
          </button>
        ))}
      </div>
      <div className="date-range" title={`Time zone: ${TIME_ZONE}`}>
        <DateInput label="First day" date={dates.from} onChange={(date) => changeDate("from", date)} />
        <span aria-hidden="true">–</span>
        <DateInput label="Last day" date={dates.to} onChange={(date) => changeDate("to", date)} />
      </div>
    </div>
  );
}

/** A date field. Typing produces intermediate dates, so changes are debounced. */
function DateInput(props: { label: string; date: string; onChange: (date: string) => void }) {
  const [typed, setTyped] = useState(props.date);
  const commit = () => (isDate(typed) ? typed !== props.date && props.onChange(typed) : setTyped(props.date));
  useEffect(() => setTyped(props.date), [props.date]);
  useEffect(() => {
    if (typed === props.date || !isDate(typed)) return;
    const timer = setTimeout(commit, DEBOUNCE_MILLISECONDS);
    return () => clearTimeout(timer);
  });
  return (
    <input
      type="date"
      aria-label={props.label}
      value={typed}
      min={MIN_DATE}
      max="9998-12-31"
      onChange={(event) => setTyped(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === "Enter" && commit()}
    />
  );
}

const DEBOUNCE_MILLISECONDS = 1200;

/** A filter by ids: a field that adds an id, and a button per id that removes it. */
function IdFilter(props: { label: string; ids: string[]; suggestions: string[]; onChange: (ids: string[]) => void }) {
  const [typed, setTyped] = useState("");
  const listId = useId();
  const input = useRef<HTMLInputElement>(null);
  const remove = (id: string) => {
    props.onChange(props.ids.filter((other) => other !== id));
    // The button, which has the focus, is removed.
    input.current?.focus();
  };
  const add = (text: string) => {
    const id = text.trim();
    setTyped("");
    if (id && !props.ids.includes(id)) props.onChange([...props.ids, id]);
  };
  return (
    <form
      className="id-filter"
      onSubmit={(event) => {
        event.preventDefault();
        add(typed);
      }}
    >
      {props.ids.map((id) => (
        <button key={id} type="button" className="chip" aria-label={`${props.label}: remove ${id}`} onClick={() => remove(id)}>
          <span>{id}</span>
          <span aria-hidden="true">×</span>
        </button>
      ))}
      <input
        ref={input}
        aria-label={props.label}
        placeholder={props.label}
        list={listId}
        value={typed}
        onChange={(event) => {
          const isSuggestion = (event.nativeEvent as InputEvent).inputType === "insertReplacementText";
          if (isSuggestion) add(event.target.value);
          else setTyped(event.target.value);
        }}
      />
      <datalist id={listId}>
        {props.suggestions.map((id) => (
          <option key={id} value={id} />
        ))}
      </datalist>
    </form>
  );
}
