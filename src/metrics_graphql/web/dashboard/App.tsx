/** Signed out, or a view with its controls and cards. */

import { useEffect, useState } from "react";

import type { AskError } from "../shared/api";
import { keepToken, readToken } from "../shared/token";
import { retryIn, type SignedIn, useMetrics, useViewer } from "./answers";
import { Cards } from "./Cards";
import { Filters, Header } from "./Controls";
import { SignIn } from "./SignIn";
import { useView } from "./view";

export function App() {
  const [signedIn, setSignedIn] = useState<SignedIn>(() => ({ token: readToken(), attempt: 0 }));
  const [view, change] = useView();
  const viewer = useViewer(signedIn);
  const organizations = viewer.data?.organizations?.map(({ id }) => id) ?? [];
  // Nothing is asked about an organization before it is known who asks.
  const org = viewer.data ? view.org || (organizations[0] ?? "") : "";
  const metrics = useMetrics(signedIn, { ...view, org });
  const signIn = (token: string) => {
    keepToken(token);
    setSignedIn({ token, attempt: signedIn.attempt + 1 });
  };
  useEffect(() => {
    // Whoever gets this address shall see the same.
    if (org && !view.org) change({ org }, "replace");
  });

  const error = viewer.error ?? metrics.error;
  if (!signedIn.token || error?.code === "UNAUTHENTICATED") {
    return <SignIn message={error ? "That token opens nothing: it may be mistyped, revoked or expired." : ""} onToken={signIn} />;
  }
  const chosen = { ...view, org: org || view.org };
  const shown = metrics.data;
  return (
    <>
      <Header view={chosen} organizations={organizations} name={viewer.data?.name ?? ""} onChange={change} onSignOut={() => signIn("")} />
      <main aria-busy={viewer.isLoading || metrics.isLoading}>
        <Filters view={chosen} shown={shown} onChange={change} />
        {error && <Problem error={error} />}
        {viewer.data && !org && <p className="notice">There is no organization yet that this token may read.</p>}
        {shown && <Cards view={chosen} shown={shown} isStale={metrics.isLoading || error !== null} onChange={change} />}
        {!shown && (viewer.isLoading || metrics.isLoading) && <Skeleton />}
      </main>
    </>
  );
}

function Problem({ error }: { error: AskError }) {
  return (
    <p className="notice problem" role="alert">
      {error.message} {retryIn(error) > 0 && `The page asks again by itself, every ${retryIn(error)} seconds.`}
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
