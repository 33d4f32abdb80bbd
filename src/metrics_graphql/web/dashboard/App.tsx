/** Signed out, or a view with its controls and cards. */

import { useState } from "react";

import type { AskError } from "../shared/api";
import { keepToken, readToken } from "../shared/token";
import { useMetrics, useViewer } from "./answers";
import { Cards } from "./Cards";
import { Filters, Header } from "./Controls";
import { SignIn } from "./SignIn";
import { useView } from "./view";

export function App() {
  const [token, setToken] = useState(readToken);
  const [view, change] = useView();
  const viewer = useViewer(token);
  const organizations = viewer.data?.organizations?.map(({ id }) => id) ?? [];
  const chosen = { ...view, org: view.org || (organizations[0] ?? "") };
  const metrics = useMetrics(viewer.data ? token : "", viewer.data ? chosen : { ...chosen, org: "" });
  const signIn = (given: string) => {
    keepToken(given);
    setToken(given);
  };

  const refused = [viewer.error, metrics.error].find((error) => error?.code === "UNAUTHENTICATED");
  if (!token || refused) {
    return <SignIn message={refused ? "That token opens nothing: it may be mistyped, revoked or expired." : ""} onToken={signIn} />;
  }
  const error = viewer.error ?? metrics.error;
  const mayReadNone = viewer.data !== null && !chosen.org;
  return (
    <>
      <Header view={chosen} organizations={organizations} name={viewer.data?.name ?? ""} onChange={change} onSignOut={() => signIn("")} />
      <main aria-busy={viewer.isLoading || metrics.isLoading}>
        <Filters view={chosen} shown={metrics.data} onChange={change} />
        {error && <Problem error={error} />}
        {mayReadNone && <p className="notice">There is no organization yet that this token may read.</p>}
        {!error && metrics.data && !metrics.data.metrics && (
          <p className="notice" role="alert">
            {metrics.data.errors[0]?.message ?? "The sessions could not be read."}
          </p>
        )}
        {!mayReadNone && (metrics.data?.metrics || !error) && metrics.data?.metrics !== undefined ? (
          metrics.data.metrics && (
            <Cards view={chosen} shown={metrics.data} metrics={metrics.data.metrics} isStale={metrics.isLoading || error !== null} onChange={change} />
          )
        ) : (
          !error && !mayReadNone && <Skeleton />
        )}
      </main>
    </>
  );
}

function Problem({ error }: { error: AskError }) {
  return (
    <p className="notice problem" role="alert">
      {error.message} {error.code === "UNREACHABLE" && "Trying again every few seconds."}
    </p>
  );
}

/** What stands where the cards will be. */
function Skeleton() {
  return (
    <div className="skeleton" role="status">
      <span className="unseen">Loading</span>
      <div className="totals">
        {[1, 2, 3, 4].map((each) => (
          <div key={each} className="bone" />
        ))}
      </div>
      <div className="bone tall" />
    </div>
  );
}
