/** The sign-in form, or the dashboard of the current view. */

import { useEffect, useState } from "react";

import type { RequestError } from "../shared/api";
import { readToken, storeToken } from "../shared/token";
import { Cards } from "./Cards";
import { FilterBar, Header } from "./Controls";
import { type Credentials, retryDelay, useMetrics, useViewer } from "./queries";
import { SignIn } from "./SignIn";
import { useView } from "./view";

export function App() {
  const [credentials, setCredentials] = useState<Credentials>(() => ({ token: readToken(), signInCount: 0 }));
  const [view, changeView] = useView();
  const viewer = useViewer(credentials);
  const organizations = viewer.data?.organizations?.map(({ id }) => id) ?? [];
  // An empty `org` disables the query of metrics until the viewer is loaded.
  const org = viewer.data ? view.org || (organizations[0] ?? "") : "";
  const metrics = useMetrics(credentials, { ...view, org });
  const signIn = (token: string) => {
    storeToken(token);
    setCredentials({ token, signInCount: credentials.signInCount + 1 });
  };
  useEffect(() => {
    // A shared URL names the organization.
    if (org && !view.org) changeView({ org }, "replace");
  });

  const error = viewer.error ?? metrics.error;
  if (!credentials.token || error?.code === "UNAUTHENTICATED") {
    return <SignIn message={error ? "This token is not valid. It may be mistyped, revoked or expired." : ""} onToken={signIn} />;
  }
  const currentView = { ...view, org: org || view.org };
  const result = metrics.data;
  return (
    <>
      <Header view={currentView} organizations={organizations} name={viewer.data?.name ?? ""} onChange={changeView} onSignOut={() => signIn("")} />
      <main aria-busy={viewer.isLoading || metrics.isLoading}>
        <FilterBar view={currentView} result={result} onChange={changeView} />
        {error && <ErrorNotice error={error} />}
        {viewer.data && !org && <p className="notice">There are no organizations that this token may read. Load sessions first.</p>}
        {result && <Cards view={currentView} result={result} isStale={metrics.isLoading || error !== null} onChange={changeView} />}
        {!result && (viewer.isLoading || metrics.isLoading) && <Skeleton />}
      </main>
    </>
  );
}

function ErrorNotice({ error }: { error: RequestError }) {
  return (
    <p className="notice error" role="alert">
      {error.message} {retryDelay(error) > 0 && `Retrying every ${retryDelay(error)} seconds.`}
    </p>
  );
}

/** A placeholder of the cards while they load. */
function Skeleton() {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">Loading</span>
      <div className="totals">
        {[1, 2, 3, 4].map((key) => (
          <div key={key} className="skeleton-block" />
        ))}
      </div>
      <div className="skeleton-block tall" />
    </div>
  );
}
