/** The example queries of GraphiQL's initial tabs, and their variables. */

/** Finds an organization for the variables of the examples. */
export const ORGANIZATION_DOCUMENT = "{ viewer { organizations(first: 1) { id } } }";

export const EXAMPLES = [
  `# The caller and the organizations it may read.
# Use one of them in the variables of other tabs.
query Viewer {
  viewer {
    name
    organizations(first: 10) {
      id
    }
  }
}
`,
  `# Totals of the last 30 days,
# and their change from the 30 days before.
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
  `# The same period by day, in any time zone.
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
  `# The users and service users with the most
# sessions, and the playbooks with the most
# sessions with merged pull requests.
query Top($org: ID!, $filters: SessionMetricsFilters!) {
  sessionMetrics(orgId: $org, filters: $filters) {
    byUser(first: 5) {
      totalCount
      nodes {
        user {
          id
          name
        }
        sessionsCreatedCount
      }
    }
    byServiceUser(first: 5) {
      nodes {
        serviceUser {
          id
          name
        }
        acusConsumed
      }
    }
    byPlaybook(first: 5, orderBy: { field: SESSIONS_WITH_MERGED_PRS_COUNT, direction: DESC }) {
      nodes {
        playbook {
          id
          name
        }
        sessionsWithMergedPrsCount
      }
    }
  }
}
`,
];

/** Returns variables for the last 30 days of an organization. */
export function exampleVariables(org: string): string {
  const now = new Date();
  const before = new Date(now.getTime() - 30 * 86_400_000);
  const filters = { timeAfter: before.toISOString(), timeBefore: now.toISOString() };
  return JSON.stringify({ org, filters }, null, 2);
}
