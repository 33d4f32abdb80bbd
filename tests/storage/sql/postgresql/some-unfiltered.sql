WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end"
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end"
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT))
 SELECT min(raw.query_index) AS min_1, count($1::INTEGER) AS sessions_created_count, CAST(sum(sessions.acus) AS BIGINT) AS acus_consumed
FROM raw JOIN sessions ON sessions.org_id = ANY ($3::TEXT[]) AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" GROUP BY raw.query_index UNION ALL SELECT min(rolled_up.query_index) AS min_2, CAST(sum(rollups.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(rollups.acus_consumed) AS BIGINT) AS acus_consumed
FROM rolled_up JOIN rollups ON rollups.org_id = ANY ($3::TEXT[]) AND rollups.scope = $5::SMALLINT AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end" GROUP BY rolled_up.query_index
