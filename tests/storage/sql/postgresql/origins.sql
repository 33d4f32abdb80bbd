WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($1::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end", each_rolled_up.step AS step, CASE WHEN (each_rolled_up.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_1, CAST(sum(1) AS BIGINT) AS sum_1, CAST(sum(rows.acus) AS BIGINT) AS sum_2
FROM raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.origin AS origin
FROM sessions
WHERE sessions.org_id = $2::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE CASE WHEN (rows.origin IN ('api')) THEN 'api' WHEN (rows.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (rows.origin IN ('desktop')) THEN 'desktop' WHEN (rows.origin IN ('jira')) THEN 'jira' WHEN (rows.origin IN ('linear')) THEN 'linear' WHEN (rows.origin IN ('slack')) THEN 'slack' WHEN (rows.origin IN ('teams')) THEN 'teams' WHEN (rows.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END = ANY ($3::TEXT[]) GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step UNION ALL SELECT rolled_up.query_index + (rows.bucket - rolled_up.start) / rolled_up.step AS anon_2, CAST(sum(rows.sessions_created_count) AS BIGINT) AS sum_3, CAST(sum(rows.acus_consumed) AS BIGINT) AS sum_4
FROM rolled_up CROSS JOIN LATERAL (SELECT category_rollups.acus_consumed AS acus_consumed, category_rollups.bucket AS bucket, category_rollups.origin AS origin, category_rollups.sessions_created_count AS sessions_created_count
FROM category_rollups
WHERE category_rollups.org_id = $2::VARCHAR COLLATE "C" AND category_rollups.grain = rolled_up.grain AND category_rollups.bucket >= rolled_up.start AND category_rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE rows.origin = ANY ($3::TEXT[]) GROUP BY rolled_up.query_index + (rows.bucket - rolled_up.start) / rolled_up.step
