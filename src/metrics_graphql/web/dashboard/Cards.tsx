/** The cards of a view. */

import { Card } from "./Card";
import { AcusCard, MergedCard, OverTimeCard } from "./ChartCards";
import type { Breakdown, BreakdownRow, PlaybookRow } from "./metricsQuery";
import type { MetricsResult } from "./queries";
import { Ranking } from "./Ranking";
import { TotalsCard } from "./TotalsCard";
import type { View } from "./view";

interface CardsProps {
  view: View;
  result: MetricsResult;
  /** Whether a newer result is loading, or has failed to load. */
  isStale: boolean;
  onChange: (change: Partial<View>) => void;
}

export function Cards({ view, result, isStale, onChange }: CardsProps) {
  const { query, metrics, errors } = result;
  const messages = [...new Set(errors.map(({ message }) => message))];
  return (
    <div className={isStale ? "cards stale" : "cards"}>
      <TotalsCard metrics={metrics} query={query} />
      {messages.map((message) => (
        <p key={message} className="notice error" role="alert">
          Some metrics are missing: {message}
        </p>
      ))}
      {metrics.sessionsCreatedCount === 0 ? (
        <NoSessions />
      ) : (
        <>
          {metrics.timeSeries && <OverTimeCard buckets={metrics.timeSeries} query={query} split={view.split} onSplit={(split) => onChange({ split })} />}
          <div className="pair">
            <MergedCard created={metrics.sessionsCreatedBySize} merged={metrics.sessionsWithMergedPrsBySize} query={query} />
            {metrics.timeSeries && <AcusCard buckets={metrics.timeSeries} query={query} />}
          </div>
          <div className="pair">
            {metrics.byUser && (
              <Card id="users" title="Top users" subtitle={describeRows(metrics.byUser, "user")} query={query} table={rankingTable(["User", "Name"], metrics.byUser.nodes, ({ user }) => [user.id, user.name ?? ""])}>
                <Ranking
                  rows={metrics.byUser.nodes}
                  getId={({ user }) => user.id}
                  getBadge={({ user }) => user.name ?? ""}
                  isSelected={({ user }) => view.users.includes(user.id)}
                  onSelect={({ user }) => onChange({ users: toggle(view.users, user.id) })}
                />
              </Card>
            )}
            {metrics.byServiceUser && (
              <Card
                id="serviceUsers"
                title="Top service users"
                subtitle={describeRows(metrics.byServiceUser, "service user")}
                query={query}
                table={rankingTable(["Service user", "Name"], metrics.byServiceUser.nodes, ({ serviceUser }) => [serviceUser.id, serviceUser.name ?? ""])}
              >
                <Ranking
                  rows={metrics.byServiceUser.nodes}
                  getId={({ serviceUser }) => serviceUser.id}
                  getBadge={({ serviceUser }) => serviceUser.name ?? ""}
                  isSelected={({ serviceUser }) => view.serviceUsers.includes(serviceUser.id)}
                  onSelect={({ serviceUser }) => onChange({ serviceUsers: toggle(view.serviceUsers, serviceUser.id) })}
                />
              </Card>
            )}
            {metrics.byPlaybook && (
              <Card
                id="playbooks"
                title="Top playbooks"
                subtitle={describeRows(metrics.byPlaybook, "playbook")}
                query={query}
                table={rankingTable(["Playbook", "Name"], metrics.byPlaybook.nodes, ({ playbook }) => [playbook.id, playbook.name ?? ""])}
              >
                <Ranking
                  rows={metrics.byPlaybook.nodes}
                  getId={({ playbook }) => playbook.id}
                  getBadge={({ playbook }) => playbook.name ?? ""}
                  isSelected={({ playbook }) => playbook.id === view.playbook}
                  onSelect={({ playbook }: PlaybookRow) => onChange({ playbook: playbook.id === view.playbook ? "" : playbook.id })}
                />
              </Card>
            )}
          </div>
        </>
      )}
    </div>
  );
}

function NoSessions() {
  return (
    <section className="card no-sessions">
      <h2>No sessions</h2>
      <p>No sessions match in this period. Choose a longer period or fewer filters.</p>
    </section>
  );
}

function toggle(ids: string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id];
}

function describeRows({ nodes, totalCount }: Breakdown<BreakdownRow>, name: string): string {
  const all = `${totalCount.toLocaleString()} ${name}${totalCount === 1 ? "" : "s"}`;
  return nodes.length < totalCount ? `Top ${nodes.length} of ${all}, by sessions` : all;
}

function rankingTable<Row extends BreakdownRow>(names: string[], rows: Row[], getNames: (row: Row) => string[]) {
  return {
    head: [...names, "Sessions", "With merged PRs", "ACUs per session"],
    rows: rows.map((row) => [...getNames(row), row.sessionsCreatedCount, row.sessionsWithMergedPrsCount, row.avgAcusPerSession]),
  };
}
