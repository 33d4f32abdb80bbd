WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end"
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT)),
matching_sessions AS MATERIALIZED
(SELECT raw.query_index AS query_index, sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id
FROM raw JOIN sessions ON sessions.org_id IN (SELECT organizations.org_id
FROM organizations) AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE sessions.user_id = ANY ($3::TEXT[])),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end"
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT)),
matching_rollups AS MATERIALIZED
(SELECT rolled_up.query_index AS query_index, rollups.org_id AS org_id, rollups.scope AS scope, rollups.grain AS grain, rollups.bucket AS bucket, rollups.scope_id AS scope_id
FROM rolled_up JOIN rollups ON rollups.org_id IN (SELECT organizations.org_id
FROM organizations) AND rollups.scope = $5::SMALLINT AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
WHERE rollups.scope_id = ANY ($3::TEXT[]))
 SELECT min(matching_sessions.query_index) AS min_1, count($1::INTEGER) AS sessions_created_count, CAST(sum(sessions.acus) AS BIGINT) AS acus_consumed
FROM matching_sessions JOIN sessions ON sessions.org_id = matching_sessions.org_id AND sessions.created_at = matching_sessions.created_at AND sessions.session_id = matching_sessions.session_id GROUP BY matching_sessions.query_index UNION ALL SELECT min(matching_rollups.query_index) AS min_2, CAST(sum(rollups.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(rollups.acus_consumed) AS BIGINT) AS acus_consumed
FROM matching_rollups JOIN rollups ON rollups.org_id = matching_rollups.org_id AND rollups.scope = matching_rollups.scope AND rollups.grain = matching_rollups.grain AND rollups.bucket = matching_rollups.bucket AND rollups.scope_id = matching_rollups.scope_id GROUP BY matching_rollups.query_index
