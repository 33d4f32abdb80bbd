WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($1::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end", each_rolled_up.step AS step, CASE WHEN (each_rolled_up.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT anon_1.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM (SELECT 0 AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count, anon_2.acus_consumed AS acus_consumed
FROM (SELECT anon_3.id AS id, CAST(sum(anon_3.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(anon_3.acus_consumed) AS BIGINT) AS acus_consumed
FROM (SELECT rows.user_id AS id, 1 * raw.sign AS sessions_created_count, rows.acus * raw.sign AS acus_consumed
FROM raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.user_id AS user_id
FROM sessions
WHERE sessions.org_id = $2::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE length(rows.user_id) > $3::INTEGER UNION ALL SELECT rows.scope_id AS id, rows.sessions_created_count * rolled_up.sign AS sessions_created_count, rows.acus_consumed * rolled_up.sign AS acus_consumed
FROM rolled_up CROSS JOIN LATERAL (SELECT rollups.acus_consumed AS acus_consumed, rollups.bucket AS bucket, rollups.scope_id AS scope_id, rollups.sessions_created_count AS sessions_created_count
FROM rollups
WHERE rollups.org_id = $2::VARCHAR COLLATE "C" AND rollups.scope = $5::SMALLINT AND rollups.scope > 0 AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows) AS anon_3 GROUP BY anon_3.id
HAVING CAST(sum(anon_3.sessions_created_count) AS BIGINT) > $6::BIGINT) AS anon_2) AS anon_1
WHERE anon_1.acus_consumed / anon_1.sessions_created_count < $7::BIGINT OR anon_1.acus_consumed / anon_1.sessions_created_count = $7::BIGINT AND ((CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE PRECISION) / anon_1.sessions_created_count) < $8::FLOAT OR (CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE PRECISION) / anon_1.sessions_created_count) = $8::FLOAT AND anon_1.id > $9::VARCHAR) ORDER BY anon_1.acus_consumed / anon_1.sessions_created_count DESC, (CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE PRECISION) / anon_1.sessions_created_count) DESC, anon_1.id
 LIMIT $10::INTEGER
