/** The cards of a view. */

import type { Shown } from "./answers";
import { Card } from "./Card";
import { MergedBySize, OverTime, AcusOverTime } from "./Charts";
import type { PlaybookRow, Ranked, Row, UserRow } from "./question";
import { Ranking } from "./Ranking";
import { Totals } from "./Totals";
import type { View } from "./view";

interface CardsProps {
  view: View;
  shown: Shown;
  /** Whether something newer is being asked for, or could not be had. */
  isStale: boolean;
  onChange: (change: Partial<View>) => void;
}

export function Cards({ view, shown, isStale, onChange }: CardsProps) {
  const { question, metrics, errors } = shown;
  const missing = [...new Set(errors.map(({ message }) => message))];
  const toggleUser = ({ user }: UserRow) =>
    onChange(user.kind === "USER" ? { users: toggled(view.users, user.id) } : { serviceUsers: toggled(view.serviceUsers, user.id) });
  return (
    <div className={isStale ? "cards stale" : "cards"}>
      <Totals metrics={metrics} question={question} />
      {missing.map((message) => (
        <p key={message} className="notice problem" role="alert">
          Some of it could not be read: {message}
        </p>
      ))}
      {metrics.sessionsCreatedCount === 0 ? (
        <Nothing />
      ) : (
        <>
          {metrics.timeSeries && <OverTime buckets={metrics.timeSeries} question={question} split={view.split} onSplit={(split) => onChange({ split })} />}
          <div className="pair">
            <MergedBySize created={metrics.sessionsCreatedBySize} merged={metrics.sessionsWithMergedPrsBySize} question={question} />
            {metrics.timeSeries && <AcusOverTime buckets={metrics.timeSeries} question={question} />}
          </div>
          <div className="pair">
            {metrics.byUser && (
              <Card title="Top users" hint={counted(metrics.byUser, "user")} part="users" question={question} table={rankingTable(["User", "Kind"], metrics.byUser.nodes, ({ user }) => [user.id, user.kind])}>
                <Ranking
                  rows={metrics.byUser.nodes}
                  idOf={({ user }) => user.id}
                  markOf={({ user }) => (user.kind === "SERVICE_USER" ? "service user" : "")}
                  isChosen={({ user }) => [...view.users, ...view.serviceUsers].includes(user.id)}
                  onChoose={toggleUser}
                />
              </Card>
            )}
            {metrics.byPlaybook && (
              <Card
                title="Top playbooks"
                hint={counted(metrics.byPlaybook, "playbook")}
                part="playbooks"
                question={question}
                table={rankingTable(["Playbook"], metrics.byPlaybook.nodes, ({ playbook }) => [playbook.id])}
              >
                <Ranking
                  rows={metrics.byPlaybook.nodes}
                  idOf={({ playbook }) => playbook.id}
                  markOf={() => ""}
                  isChosen={({ playbook }) => playbook.id === view.playbook}
                  onChoose={({ playbook }: PlaybookRow) => onChange({ playbook: playbook.id === view.playbook ? "" : playbook.id })}
                />
              </Card>
            )}
          </div>
        </>
      )}
    </div>
  );
}

function Nothing() {
  return (
    <section className="card nothing">
      <h2>No sessions</h2>
      <p>None was created in this period that the filters match. A longer period may have some.</p>
    </section>
  );
}

function toggled(ids: string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id];
}

function counted({ nodes, totalCount }: Ranked<Row>, name: string): string {
  const all = `${totalCount.toLocaleString()} ${name}${totalCount === 1 ? "" : "s"}`;
  return nodes.length < totalCount ? `The ${nodes.length} with the most sessions, of ${all}` : all;
}

function rankingTable<R extends Row>(names: string[], rows: R[], namesOf: (row: R) => string[]) {
  return {
    head: [...names, "Sessions", "With merged PRs", "ACUs per session"],
    rows: rows.map((row) => [...namesOf(row), row.sessionsCreatedCount, row.sessionsWithMergedPrsCount, row.avgAcusPerSession]),
  };
}
