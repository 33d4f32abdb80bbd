WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($1::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end", each_rolled_up.step AS step, CASE WHEN (each_rolled_up.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT anon_1.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM (SELECT 0 AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count, anon_2.acus_consumed AS acus_consumed
FROM (SELECT anon_3.id AS id, CAST(sum(anon_3.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(anon_3.acus_consumed) AS BIGINT) AS acus_consumed
FROM (SELECT CASE WHEN (rows.origin IN ('api')) THEN 'api' WHEN (rows.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (rows.origin IN ('desktop')) THEN 'desktop' WHEN (rows.origin IN ('jira')) THEN 'jira' WHEN (rows.origin IN ('linear')) THEN 'linear' WHEN (rows.origin IN ('slack')) THEN 'slack' WHEN (rows.origin IN ('teams')) THEN 'teams' WHEN (rows.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END AS id, 1 * raw.sign AS sessions_created_count, rows.acus * raw.sign AS acus_consumed
FROM raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.origin AS origin, sessions.size AS size
FROM sessions
WHERE sessions.org_id = $2::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE CASE WHEN (rows.size IN ('xs')) THEN 'xs' WHEN (rows.size IN ('s')) THEN 's' WHEN (rows.size IN ('m')) THEN 'm' WHEN (rows.size IN ('l')) THEN 'l' WHEN (rows.size IN ('xl')) THEN 'xl' ELSE 'other' END = ANY ($3::TEXT[]) UNION ALL SELECT rows.origin AS id, rows.sessions_created_count * rolled_up.sign AS sessions_created_count, rows.acus_consumed * rolled_up.sign AS acus_consumed
FROM rolled_up CROSS JOIN LATERAL (SELECT category_rollups.acus_consumed AS acus_consumed, category_rollups.bucket AS bucket, category_rollups.origin AS origin, category_rollups.sessions_created_count AS sessions_created_count, category_rollups.size AS size
FROM category_rollups
WHERE category_rollups.org_id = $2::VARCHAR COLLATE "C" AND category_rollups.grain = rolled_up.grain AND category_rollups.bucket >= rolled_up.start AND category_rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE rows.size = ANY ($3::TEXT[])) AS anon_3 GROUP BY anon_3.id
HAVING CAST(sum(anon_3.sessions_created_count) AS BIGINT) > $5::BIGINT) AS anon_2) AS anon_1
WHERE anon_1.sessions_created_count < $6::BIGINT OR anon_1.sessions_created_count = $6::BIGINT AND anon_1.id > $7::VARCHAR ORDER BY anon_1.sessions_created_count DESC, anon_1.id
 LIMIT $8::INTEGER
