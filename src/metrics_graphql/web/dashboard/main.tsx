/** The dashboard, the page at `/`: the sign-in form, or the metrics of the current view. */

import "./style.css";

import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { readToken } from "../shared/api";
import { Cards } from "./Cards";
import { DashboardContext, nameOf } from "./context";
import { ErrorNotice } from "./controls";
import { FilterBar } from "./Filters";
import { Header, Heading, Logo, signIn } from "./Header";
import { MAX_ORGANIZATIONS } from "./metricsQuery";
import { DEFAULT_PRESET, PRESETS } from "./period";
import { useMetrics, useViewer } from "./queries";
import { ENTERPRISE, useView } from "./view";

function App() {
  const { view, problem, notices, changeView } = useView();
  const viewer = useViewer();
  const { name = "", isEnterprise = false, organizations = [] } = viewer.data ?? {};
  const choices = isEnterprise && organizations.length > 1 ? [ENTERPRISE, ...organizations] : organizations;
  // The list of organizations may be incomplete for other callers, and from its limit on.
  const isComplete = isEnterprise && organizations.length > 0 && organizations.length < MAX_ORGANIZATIONS;
  const isUnknown = isComplete && view.org && ![ENTERPRISE, ...organizations].includes(view.org);
  // An empty `org` disables the query of metrics.
  const org = viewer.data && !isUnknown ? view.org || (choices[0] ?? "") : "";
  const metrics = useMetrics({ ...view, org: problem ? "" : org });
  useEffect(() => {
    // With the organization and the time zone, the URL shows the same view to others.
    const isShareable = view.org && new URLSearchParams(location.search).has("tz");
    if (org && !isShareable && !problem && !notices.length) changeView({ org }, "replace");
  });

  const error = viewer.error ?? metrics.error;
  if (!readToken() || error?.code === "UNAUTHENTICATED") {
    return <SignIn message={error ? "This token is not valid. It may be mistyped, revoked or expired." : ""} />;
  }
  const isLoading = viewer.isLoading || metrics.isLoading;
  const names = organizations.slice(0, 5).map((id) => nameOf("organizations", id));
  return (
    <DashboardContext value={{ view: { ...view, org: org || view.org }, changeView, result: metrics.data }}>
      <Header organizations={choices} name={name} />
      <main aria-busy={isLoading}>
        {problem ? (
          <ErrorNotice>
            {problem}
            <button className="apply" onClick={() => changeView({ period: DEFAULT_PRESET })}>
              Show the last {PRESETS[DEFAULT_PRESET]}
            </button>
          </ErrorNotice>
        ) : (
          <FilterBar />
        )}
        {notices.map((notice) => (
          <p key={notice} className="notice" role="note">
            {notice}
          </p>
        ))}
        {error && !problem && (
          <ErrorNotice>
            {error.message} {error.retrySeconds > 0 && `Retrying every ${error.retrySeconds} seconds.`}
          </ErrorNotice>
        )}
        {isUnknown && (
          <ErrorNotice>
            There is no organization “{view.org}” here. Organizations with sessions: {names.join(", ")}
            {organizations.length > 5 && " …"}
          </ErrorNotice>
        )}
        {viewer.data && !org && !isUnknown && <p className="notice">There are no organizations that this token may read. Load sessions first.</p>}
        <Heading />
        {metrics.data && <Cards isStale={metrics.isLoading || error !== null} />}
        {!metrics.data && !problem && isLoading && <Skeleton />}
      </main>
    </DashboardContext>
  );
}

function SignIn({ message }: { message: string }) {
  return (
    <main className="sign-in">
      <form action={(data) => signIn(String(data.get("token")).trim())}>
        <Logo />
        <h1>Session metrics</h1>
        <p>Metrics of your organization's sessions: their number, size, origin and merged pull requests.</p>
        {message && <ErrorNotice>{message}</ErrorNotice>}
        <label htmlFor="token">Token of a service user</label>
        <input id="token" name="token" type="password" required autoFocus autoComplete="off" spellCheck={false} placeholder="cog_…" />
        <button className="primary">Show the metrics</button>
        <p className="hint">
          Create one with <code>metrics-graphql service-user create NAME --org ORG</code>. The token is stored until you close this tab.
        </p>
      </form>
    </main>
  );
}

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

createRoot(document.getElementById("page")!).render(<App />);
