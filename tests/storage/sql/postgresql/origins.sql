WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end"
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end"
FROM jsonb_to_recordset(CAST($5::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT))
 SELECT min(raw.query_index) AS min_1, count($1::INTEGER) AS sessions_created_count, CAST(sum(sessions.acus) AS BIGINT) AS acus_consumed
FROM raw JOIN sessions ON sessions.org_id = $3::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE CASE WHEN (sessions.origin IN ('api')) THEN 'api' WHEN (sessions.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (sessions.origin IN ('desktop')) THEN 'desktop' WHEN (sessions.origin IN ('jira')) THEN 'jira' WHEN (sessions.origin IN ('linear')) THEN 'linear' WHEN (sessions.origin IN ('slack')) THEN 'slack' WHEN (sessions.origin IN ('teams')) THEN 'teams' WHEN (sessions.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END = ANY ($4::TEXT[]) GROUP BY raw.query_index UNION ALL SELECT min(rolled_up.query_index) AS min_2, CAST(sum(category_rollups.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(category_rollups.acus_consumed) AS BIGINT) AS acus_consumed
FROM rolled_up JOIN category_rollups ON category_rollups.org_id = $3::VARCHAR COLLATE "C" AND category_rollups.grain = rolled_up.grain AND category_rollups.bucket >= rolled_up.start AND category_rollups.bucket < rolled_up."end"
WHERE category_rollups.origin = ANY ($4::TEXT[]) GROUP BY rolled_up.query_index
