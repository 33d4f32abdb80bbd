WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($1::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end", each_rolled_up.step AS step, CASE WHEN (each_rolled_up.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($4::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
ranked AS MATERIALIZED
(SELECT anon_2.total_count AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count
FROM (SELECT count(*) OVER () AS total_count, anon_3.id AS id, anon_3.sessions_created_count AS sessions_created_count
FROM (SELECT anon_4.id AS id, CAST(sum(anon_4.sessions_created_count) AS BIGINT) AS sessions_created_count
FROM (SELECT rows.user_id AS id, 1 * raw.sign AS sessions_created_count
FROM raw CROSS JOIN LATERAL (SELECT sessions.created_at AS created_at, sessions.user_id AS user_id
FROM sessions
WHERE sessions.org_id = $2::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE length(rows.user_id) > $3::INTEGER UNION ALL SELECT rows.scope_id AS id, rows.sessions_created_count * rolled_up.sign AS sessions_created_count
FROM rolled_up CROSS JOIN LATERAL (SELECT rollups.bucket AS bucket, rollups.scope_id AS scope_id, rollups.sessions_created_count AS sessions_created_count
FROM rollups
WHERE rollups.org_id = $2::VARCHAR COLLATE "C" AND rollups.scope = $5::SMALLINT AND rollups.scope > 0 AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows) AS anon_4 GROUP BY anon_4.id
HAVING CAST(sum(anon_4.sessions_created_count) AS BIGINT) > $6::BIGINT) AS anon_3) AS anon_2 ORDER BY anon_2.sessions_created_count DESC, anon_2.id
 LIMIT $7::INTEGER)
 SELECT ranked.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM ranked JOIN (SELECT anon_5.id AS id, CAST(sum(anon_5.sessions_created_count) AS BIGINT) AS sessions_created_count, CAST(sum(anon_5.acus_consumed) AS BIGINT) AS acus_consumed
FROM (SELECT ranked.id AS id, rows.sessions_created_count * rolled_up.sign AS sessions_created_count, rows.acus_consumed * rolled_up.sign AS acus_consumed
FROM ranked CROSS JOIN rolled_up CROSS JOIN LATERAL (SELECT rollups.acus_consumed AS acus_consumed, rollups.bucket AS bucket, rollups.sessions_created_count AS sessions_created_count
FROM rollups
WHERE rollups.org_id = $2::VARCHAR COLLATE "C" AND rollups.scope = $8::SMALLINT AND rollups.scope_id = ranked.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows UNION ALL SELECT ranked.id AS id, 1 * raw.sign AS sessions_created_count, rows.acus * raw.sign AS acus_consumed
FROM ranked CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at
FROM sessions
WHERE sessions.org_id = $2::VARCHAR COLLATE "C" AND sessions.user_id = ranked.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows) AS anon_5 GROUP BY anon_5.id
HAVING CAST(sum(anon_5.sessions_created_count) AS BIGINT) > $9::BIGINT) AS anon_1 ON anon_1.id = ranked.id ORDER BY ranked.sessions_created_count DESC, ranked.id
