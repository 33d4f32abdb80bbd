/** The header of the page, with the organization and sign-out, and the heading of a view. */

import { useEffect } from "react";

import { storeToken } from "../shared/api";
import { nameOf, useDashboard } from "./context";
import { Select } from "./controls";
import { RANKINGS } from "./metricsQuery";
import { formatDates, formatTime } from "./period";
import { NO_FILTERS } from "./view";

/** Loads the page again with another token, so that nothing of the previous caller remains. An empty one signs out. */
export function signIn(token: string): void {
  storeToken(token);
  location.reload();
}

/** `name` and `organizations` are those of the token. */
export function Header({ name, organizations }: { name: string; organizations: string[] }) {
  const { view, changeView } = useDashboard();
  // The list of organizations is limited, and may not contain the one in the URL.
  const values = [...new Set([...organizations, view.org])].filter(Boolean);
  return (
    <header>
      <div className="brand">
        <Logo />
        <h1>Session metrics</h1>
      </div>
      <label className="organization">
        <span className="visually-hidden">Organization</span>
        <Select value={view.org} values={values} nameOf={(id) => nameOf("organizations", id)} onChange={(org) => changeView({ ...NO_FILTERS, org })} />
      </label>
      <nav>
        <a href="graphql">GraphiQL</a>
        <button className="quiet" onClick={() => signIn("")} title={name && `Signed in as ${name}`}>
          Sign out
        </button>
      </nav>
    </header>
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 18v6M16 13v11M23 8v16" />
    </svg>
  );
}

/** The organization or the filters of a view, its days, and the time of its data; also in the title of the document. */
export function Heading() {
  const { view, changeView, result } = useDashboard();
  const organization = nameOf("organizations", view.org);
  const chosen = RANKINGS.flatMap((kind) => view[kind].map((id) => nameOf(kind, id)));
  const others = chosen.length > 3 ? ` and ${chosen.length - 3} more` : "";
  const subject = chosen.length ? chosen.slice(0, 3).join(", ") + others : organization;
  const range = result && formatDates(result.query.current.dates);
  useEffect(() => {
    document.title = [...new Set([subject, organization, range, "Session metrics"])].filter((part) => part !== null).join(" · ");
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
