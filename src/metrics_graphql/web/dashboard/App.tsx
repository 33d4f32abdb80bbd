/** The sign-in form, or the dashboard of the current view. */

import { useEffect, useState } from "react";

import { readToken, storeToken } from "../shared/token";
import { Cards } from "./Cards";
import { clearNames, DashboardContext, storeNames } from "./context";
import { ErrorNotice } from "./ErrorNotice";
import { FilterBar } from "./Filters";
import { Header, Heading, organizationName } from "./Header";
import { BREAKDOWNS, MAX_ORGANIZATIONS, type Named, RANKINGS, type Viewer } from "./metricsQuery";
import { DEFAULT_PRESET, PRESETS } from "./period";
import { type Credentials, type MetricsResult, retryDelay, useMetrics, useViewer } from "./queries";
import { SignIn } from "./SignIn";
import { ENTERPRISE, useView } from "./view";

/** Each of them permits a token of the enterprise to read the metrics of all organizations. */
const ENTERPRISE_PERMISSIONS = ["ViewAccountMetrics", "ViewOrgMetrics"];

export function App() {
  const [credentials, setCredentials] = useState<Credentials>(() => ({ token: readToken(), signInCount: 0 }));
  const [{ view, problem, notices }, changeView] = useView();
  const viewer = useViewer(credentials);
  const organizations = viewer.data?.organizations?.map(({ id }) => id) ?? [];
  const mayReadAll = organizations.length > 1 && canReadEnterprise(viewer.data);
  const unknown = isUnknown(view.org, organizations, viewer.data);
  // An empty `org` disables the query of metrics.
  const org = !viewer.data || unknown ? "" : view.org || (mayReadAll ? ENTERPRISE : (organizations[0] ?? ""));
  const metrics = useMetrics(credentials, { ...view, org: problem ? "" : org });
  const signIn = (token: string) => {
    storeToken(token);
    clearNames();
    setCredentials({ token, signInCount: credentials.signInCount + 1 });
  };
  useEffect(() => {
    // With the organization and the time zone, the URL shows the same view to others.
    const isComplete = view.org && new URLSearchParams(location.search).has("tz");
    if (org && !isComplete && !problem && !notices.length) changeView({ org }, "replace");
  });

  const error = viewer.error ?? metrics.error;
  if (!credentials.token || error?.code === "UNAUTHENTICATED") {
    return <SignIn message={error ? "This token is not valid. It may be mistyped, revoked or expired." : ""} onToken={signIn} />;
  }
  const currentView = { ...view, org: org || view.org };
  const result = problem ? null : metrics.data;
  storeNames("organizations", viewer.data?.organizations ?? []);
  if (result) storeRowNames(result);
  const isLoading = viewer.isLoading || metrics.isLoading;
  return (
    <DashboardContext value={{ token: credentials.token, view: currentView, changeView, result }}>
      <Header organizations={organizations} mayReadAll={mayReadAll} name={viewer.data?.name ?? ""} onSignOut={() => signIn("")} />
      <main aria-busy={isLoading}>
        {!problem && <FilterBar />}
        {problem && (
          <ErrorNotice>
            {problem}
            <button className="apply" onClick={() => changeView({ period: DEFAULT_PRESET })}>
              Show the last {PRESETS[DEFAULT_PRESET]}
            </button>
          </ErrorNotice>
        )}
        {notices.map((notice) => (
          <p key={notice} className="notice" role="note">
            {notice}
          </p>
        ))}
        {!problem && error && (
          <ErrorNotice>
            {error.message} {retryDelay(error) > 0 && `Retrying every ${retryDelay(error)} seconds.`}
          </ErrorNotice>
        )}
        {unknown && (
          <ErrorNotice>
            There is no organization “{view.org}” here. Organizations with sessions: {organizations.slice(0, 5).map(organizationName).join(", ")}
            {organizations.length > 5 && " …"}
          </ErrorNotice>
        )}
        {viewer.data && !org && !unknown && <p className="notice">There are no organizations that this token may read. Load sessions first.</p>}
        <Heading />
        {result && <Cards isStale={metrics.isLoading || error !== null} />}
        {!result && !problem && isLoading && <Skeleton />}
      </main>
    </DashboardContext>
  );
}

function canReadEnterprise(viewer: Viewer | null): boolean {
  return !!viewer?.enterprise && viewer.permissions.some((permission) => ENTERPRISE_PERMISSIONS.includes(permission));
}

/** Whether no organization has this id: false if the list of organizations may be incomplete. */
function isUnknown(org: string, organizations: string[], viewer: Viewer | null): boolean {
  const isListed = !org || org === ENTERPRISE || organizations.includes(org);
  return canReadEnterprise(viewer) && !isListed && organizations.length > 0 && organizations.length < MAX_ORGANIZATIONS;
}

function storeRowNames({ data }: MetricsResult): void {
  for (const id of RANKINGS) {
    const { field, node } = BREAKDOWNS[id];
    storeNames(id, data.metrics[field]?.nodes.map((row) => row[node] as Named) ?? []);
  }
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
