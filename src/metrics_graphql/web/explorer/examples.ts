/** What the first tabs hold. */

export const EXAMPLES = [
  `# Who is asking, and which organizations they may read. Take one for the variables of the other tabs.
query Viewer {
  viewer {
    name
    organizations(first: 10) {
      id
    }
  }
}
`,
  `# What came of the last 30 days, and how that compares with the 30 days before.
query Totals($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    sessionsCreatedCount
    sessionsWithMergedPrsCount
    avgAcusPerSession
    previousPeriod {
      change {
        sessionsCreatedCount
        sessionsWithMergedPrsCount
        avgAcusPerSession
      }
    }
  }
}
`,
  `# Every day of it, in a time zone of your own.
query Days($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    timeSeries(interval: DAY, timeZone: "Europe/Berlin") {
      period {
        startsAt
      }
      sessionsCreatedCount
      sessionsCreatedByOrigin {
        slack
        webapp
      }
    }
  }
}
`,
  `# Who created the most, and from which playbooks the most was merged.
query Top($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    byUser(first: 5) {
      totalCount
      nodes {
        user {
          id
          kind
        }
        sessionsCreatedCount
      }
    }
    byPlaybook(first: 5, orderBy: { field: SESSIONS_WITH_MERGED_PRS_COUNT, direction: DESC }) {
      nodes {
        playbook {
          id
        }
        sessionsWithMergedPrsCount
      }
    }
  }
}
`,
];

/** The last thirty days of an organization. */
export function exampleVariables(org: string): string {
  const now = new Date();
  const before = new Date(now.getTime() - 30 * 86_400_000);
  const filters = { timeAfter: before.toISOString(), timeBefore: now.toISOString() };
  return JSON.stringify({ org, filters }, null, 2);
}
