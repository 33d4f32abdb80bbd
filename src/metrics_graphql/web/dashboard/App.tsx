/** The sign-in form, or the dashboard of the current view. */

import { useEffect, useState } from "react";

import type { RequestError } from "../shared/api";
import { readToken, storeToken } from "../shared/token";
import { Cards } from "./Cards";
import { DashboardContext, forgetNames, rememberNames } from "./context";
import { FilterBar } from "./Filters";
import { Header, Heading, organizationName } from "./Header";
import { BREAKDOWNS, MAX_ORGANIZATIONS, type Named, RANKINGS, type Viewer } from "./metricsQuery";
import { DEFAULT_PRESET, PRESETS } from "./period";
import { type Credentials, type MetricsResult, retryDelay, useMetrics, useViewer } from "./queries";
import { SignIn } from "./SignIn";
import { ENTERPRISE, useView } from "./view";

const PERMISSIONS = ["ViewAccountMetrics", "ViewOrgMetrics"];

export function App() {
  const [credentials, setCredentials] = useState<Credentials>(() => ({ token: readToken(), signInCount: 0 }));
  const [{ view, problem, notices }, changeView] = useView();
  const viewer = useViewer(credentials);
  const organizations = viewer.data?.organizations?.map(({ id }) => id) ?? [];
  const mayReadAll = organizations.length > 1 && canReadEnterprise(viewer.data);
  const unknown = isUnknown(view.org, organizations, viewer.data);
  // An empty `org` disables the query of metrics until the viewer is loaded.
  const org = !viewer.data || unknown ? "" : view.org || (mayReadAll ? ENTERPRISE : (organizations[0] ?? ""));
  const metrics = useMetrics(credentials, { ...view, org: problem ? "" : org });
  const signIn = (token: string) => {
    storeToken(token);
    forgetNames();
    setCredentials({ token, signInCount: credentials.signInCount + 1 });
  };
  useEffect(() => {
    // A shared URL names the organization and the time zone.
    const isComplete = view.org && new URLSearchParams(location.search).has("tz");
    if (org && !isComplete && !problem && !notices.length) changeView({ org }, "replace");
  });

  const error = viewer.error ?? metrics.error;
  if (!credentials.token || error?.code === "UNAUTHENTICATED") {
    return <SignIn message={error ? "This token is not valid. It may be mistyped, revoked or expired." : ""} onToken={signIn} />;
  }
  const currentView = { ...view, org: org || view.org };
  const result = problem ? null : metrics.data;
  rememberNames("organizations", viewer.data?.organizations ?? []);
  if (result) rememberRows(result);
  const isLoading = viewer.isLoading || metrics.isLoading;
  return (
    <DashboardContext value={{ token: credentials.token, view: currentView, changeView, result }}>
      <Header organizations={organizations} mayReadAll={mayReadAll} name={viewer.data?.name ?? ""} onSignOut={() => signIn("")} />
      <main aria-busy={isLoading}>
        {!problem && <FilterBar />}
        {problem && (
          <p className="notice error" role="alert">
            {problem}{" "}
            <button className="quiet" onClick={() => changeView({ period: DEFAULT_PRESET })}>
              Show the last {PRESETS[DEFAULT_PRESET]}
            </button>
          </p>
        )}
        {notices.map((notice) => (
          <p key={notice} className="notice" role="note">
            {notice}
          </p>
        ))}
        {!problem && error && <ErrorNotice error={error} />}
        {unknown && (
          <p className="notice error" role="alert">
            There is no organization “{view.org}” here. Those with sessions: {organizations.slice(0, 5).map(organizationName).join(", ")}
            {organizations.length > 5 && " …"}
          </p>
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
  return !!viewer?.enterprise && viewer.permissions.some((permission) => PERMISSIONS.includes(permission));
}

/** Whether no organization has this id. Only a token of the enterprise lists all, and the list is limited. */
function isUnknown(org: string, organizations: string[], viewer: Viewer | null): boolean {
  const isListed = !org || org === ENTERPRISE || organizations.includes(org);
  return canReadEnterprise(viewer) && !isListed && organizations.length > 0 && organizations.length < MAX_ORGANIZATIONS;
}

function rememberRows({ data }: MetricsResult): void {
  for (const id of RANKINGS) {
    const { field, node } = BREAKDOWNS[id];
    rememberNames(id, data.metrics[field]?.nodes.map((row) => row[node] as Named) ?? []);
  }
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
