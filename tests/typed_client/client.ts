// Uses what was generated as an application would; `tsc` says whether the types hold.
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

export function busiest(answer: DashboardQuery): string[] {
  const metrics = answer.sessionMetrics;
  if (!metrics) return [];
  const change: number | null | undefined = metrics.previousPeriod?.change.sessionsCreatedCount;
  const everywhere = [metrics, ...(metrics.timeSeries ?? []), ...(metrics.byUser?.nodes ?? [])];
  return everywhere
    .filter((measures) => average(measures) > (change ?? 0))
    .map((measures) => `${measures.sessionsCreatedByOrigin.slack} from Slack`);
}

export const variables: DashboardQueryVariables = {
  org: "org-example",
  filters: { timeAfter: 1735689600, timeBefore: "2025-02-01T00:00:00Z", userIds: [] },
};

export const document: TypedDocumentNode<DashboardQuery, DashboardQueryVariables> =
  DashboardDocument;
