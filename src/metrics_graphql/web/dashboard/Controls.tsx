/** Chooses what is looked at: the organization, the period, whose sessions. */

import { useEffect, useId, useRef, useState } from "react";

import type { Shown } from "./answers";
import { daysOf, FIRST_DAY, isDay, PRESETS, TIME_ZONE } from "./period";
import { Mark } from "./SignIn";
import type { View } from "./view";

interface Changes {
  view: View;
  onChange: (change: Partial<View>) => void;
}

export function Header(props: Changes & { organizations: string[]; name: string; onSignOut: () => void }) {
  const { view, organizations } = props;
  // One in the address may be beyond those that are listed.
  const listed = organizations.includes(view.org) || !view.org ? organizations : [view.org, ...organizations];
  return (
    <header>
      <div className="brand">
        <Mark />
        <h1>Session metrics</h1>
      </div>
      <label className="organization">
        <span className="unseen">Organization</span>
        <select value={view.org} onChange={(event) => props.onChange({ org: event.target.value, users: [], serviceUsers: [], playbook: "" })}>
          {listed.map((id) => (
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

export function Filters({ view, shown, onChange }: Changes & { shown: Shown | null }) {
  const users = shown?.metrics.byUser?.nodes.map(({ user }) => user) ?? [];
  const playbooks = shown?.metrics.byPlaybook?.nodes.map(({ playbook }) => playbook.id) ?? [];
  return (
    <section className="filters" aria-label="Period and filters">
      <PeriodPicker view={view} onChange={onChange} />
      <Ids label="Users" ids={view.users} known={users.filter(({ kind }) => kind === "USER").map(({ id }) => id)} onChange={(ids) => onChange({ users: ids })} />
      <Ids
        label="Service users"
        ids={view.serviceUsers}
        known={users.filter(({ kind }) => kind === "SERVICE_USER").map(({ id }) => id)}
        onChange={(ids) => onChange({ serviceUsers: ids })}
      />
      <Ids label="Playbook" ids={view.playbook ? [view.playbook] : []} known={playbooks} onChange={(ids) => onChange({ playbook: ids.at(-1) ?? "" })} />
    </section>
  );
}

function PeriodPicker({ view, onChange }: Changes) {
  const days = daysOf(view.period, new Date());
  const change = (name: "from" | "to", day: string) => {
    const changed = { ...days, [name]: day };
    // A start after the end takes the end along, and the other way round.
    onChange({ period: changed.from <= changed.to ? changed : { from: day, to: day } });
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
      <div className="days" title={`Days of ${TIME_ZONE}`}>
        <Day label="First day" day={days.from} onChange={(day) => change("from", day)} />
        <span aria-hidden="true">–</span>
        <Day label="Last day" day={days.to} onChange={(day) => change("to", day)} />
      </div>
    </div>
  );
}

/** A day. What is typed passes through days that nobody means, so it counts once it rests. */
function Day(props: { label: string; day: string; onChange: (day: string) => void }) {
  const [typed, setTyped] = useState(props.day);
  const settle = () => (isDay(typed) ? typed !== props.day && props.onChange(typed) : setTyped(props.day));
  useEffect(() => setTyped(props.day), [props.day]);
  useEffect(() => {
    if (typed === props.day || !isDay(typed)) return;
    const rest = setTimeout(settle, RESTS_MILLISECONDS);
    return () => clearTimeout(rest);
  });
  return (
    <input
      type="date"
      aria-label={props.label}
      value={typed}
      min={FIRST_DAY}
      max="9998-12-31"
      onChange={(event) => setTyped(event.target.value)}
      onBlur={settle}
      onKeyDown={(event) => event.key === "Enter" && settle()}
    />
  );
}

const RESTS_MILLISECONDS = 1200;

/** A field to which ids are added, one by one. */
function Ids(props: { label: string; ids: string[]; known: string[]; onChange: (ids: string[]) => void }) {
  const [typed, setTyped] = useState("");
  const list = useId();
  const field = useRef<HTMLInputElement>(null);
  const remove = (id: string) => {
    props.onChange(props.ids.filter((each) => each !== id));
    // The button goes, and the focus with it.
    field.current?.focus();
  };
  const add = (text: string) => {
    const id = text.trim();
    setTyped("");
    if (id && !props.ids.includes(id)) props.onChange([...props.ids, id]);
  };
  return (
    <form
      className="ids"
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
        ref={field}
        aria-label={props.label}
        placeholder={props.label}
        list={list}
        value={typed}
        onChange={(event) => {
          const picked = (event.nativeEvent as InputEvent).inputType === "insertReplacementText";
          if (picked) add(event.target.value);
          else setTyped(event.target.value);
        }}
      />
      <datalist id={list}>
        {props.known.map((id) => (
          <option key={id} value={id} />
        ))}
      </datalist>
    </form>
  );
}
