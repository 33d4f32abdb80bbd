/** The header of the page, with the organization, and the heading of a view. */

import { useEffect } from "react";

import { nameOf, useDashboard } from "./context";
import { RANKINGS } from "./metricsQuery";
import { formatDates, formatTime } from "./period";
import { Logo } from "./SignIn";
import { ENTERPRISE, NO_FILTERS } from "./view";

const ALL_ORGANIZATIONS = "All organizations";

/** `organizations` are those that the token may read; `mayReadAll`: whether it may read their common metrics. */
export function Header(props: { organizations: string[]; mayReadAll: boolean; name: string; onSignOut: () => void }) {
  const { view, changeView } = useDashboard();
  const mayReadAll = props.mayReadAll || view.org === ENTERPRISE;
  // The list of organizations is limited, and may not contain the one in the URL.
  const options = [...new Set([mayReadAll ? ENTERPRISE : "", ...props.organizations, view.org])].filter(Boolean);
  return (
    <header>
      <div className="brand">
        <Logo />
        <h1>Session metrics</h1>
      </div>
      <label className="organization">
        <span className="visually-hidden">Organization</span>
        <select value={view.org} onChange={(event) => changeView({ ...NO_FILTERS, org: event.target.value })}>
          {options.map((id) => (
            <option key={id} value={id}>
              {organizationName(id)}
            </option>
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

export function organizationName(id: string): string {
  return id === ENTERPRISE ? ALL_ORGANIZATIONS : nameOf("organizations", id);
}

/** The organization or the filters of a view, its days, and the time of its data; also in the title of the document. */
export function Heading() {
  const { view, changeView, result } = useDashboard();
  const organization = organizationName(view.org);
  const chosen = RANKINGS.flatMap((kind) => view[kind].map((id) => nameOf(kind, id)));
  const others = chosen.length > 3 ? ` and ${chosen.length - 3} more` : "";
  const subject = chosen.length ? chosen.slice(0, 3).join(", ") + others : organization;
  const range = result && formatDates(result.query.current.dates);
  useEffect(() => {
    document.title = [...new Set([subject, organization, ...(range ? [range] : []), "Session metrics"])].join(" · ");
  }, [subject, organization, range]);
  if (!result) return null;
  return (
    <div className="heading">
      <div>
        {chosen.length > 0 && (
          <button className="back" onClick={() => changeView(NO_FILTERS)}>
            ← {organization}
          </button>
        )}
        <h2>{subject}</h2>
      </div>
      <p>
        {range}, {result.query.variables.timeZone}
      </p>
      <p className="as-of">Data as of {formatTime(result.fetchedAt, view.zone)}</p>
    </div>
  );
}
