// Uses the generated types as an application would; `tsc` checks them.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import {
  DashboardDocument,
  type DashboardQuery,
  type DashboardQueryVariables,
  type MeasuresFragment,
} from "./generated";

function average(measures: MeasuresFragment): number {
  return measures.avgAcusPerSession;
}

export function describeTop(data: DashboardQuery): string[] {
  const metrics = data.sessionMetrics;
  if (!metrics) return [];
  const change: number | null | undefined = metrics.previousPeriod?.change.sessionsCreatedCount;
  const rows = [metrics, ...(metrics.timeSeries ?? []), ...(metrics.byUser?.nodes ?? [])];
  return rows
    .filter((measures) => average(measures) > (change ?? 0))
    .map((measures) => `${measures.sessionsCreatedByOrigin.slack} from Slack`);
}

export function nextPage(data: DashboardQuery): string | null | undefined {
  const info = data.sessionMetrics?.byUser?.pageInfo;
  return info?.hasNextPage ? info.endCursor : null;
}

export function fromSlack(data: DashboardQuery): number {
  const rows = data.sessionMetrics?.byOrigin?.nodes ?? [];
  return rows.find((row) => row.origin === "SLACK")?.sessionsCreatedCount ?? 0;
}

export const variables: DashboardQueryVariables = {
  org: "org-example",
  filters: { timeAfter: 1735689600, timeBefore: "2025-02-01T00:00:00Z", userIds: [], hasMergedPr: true },
};

export const document: TypedDocumentNode<DashboardQuery, DashboardQueryVariables> =
  DashboardDocument;
