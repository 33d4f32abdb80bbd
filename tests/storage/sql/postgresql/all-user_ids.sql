WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT)),
rolled_up AS MATERIALIZED
(SELECT each_rolled_up.query_index AS query_index, each_rolled_up.grain AS grain, each_rolled_up.start AS start, each_rolled_up."end" AS "end", each_rolled_up.step AS step, CASE WHEN (each_rolled_up.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($3::VARCHAR AS JSONB)) AS each_rolled_up(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_1, CAST(sum(1) AS BIGINT) AS sum_1, CAST(sum(rows.acus) AS BIGINT) AS sum_2
FROM organizations CROSS JOIN unnest($1::TEXT[]) AS user_ids(id) CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at
FROM sessions
WHERE sessions.org_id = organizations.org_id AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step UNION ALL SELECT rolled_up.query_index + (rows.bucket - rolled_up.start) / rolled_up.step AS anon_2, CAST(sum(rows.sessions_created_count) AS BIGINT) AS sum_3, CAST(sum(rows.acus_consumed) AS BIGINT) AS sum_4
FROM organizations CROSS JOIN unnest($1::TEXT[]) AS user_ids(id) CROSS JOIN rolled_up CROSS JOIN LATERAL (SELECT rollups.acus_consumed AS acus_consumed, rollups.bucket AS bucket, rollups.sessions_created_count AS sessions_created_count
FROM rollups
WHERE rollups.scope = $4::SMALLINT AND rollups.org_id = organizations.org_id AND rollups.scope_id = user_ids.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
 LIMIT ALL OFFSET 0) AS rows GROUP BY rolled_up.query_index + (rows.bucket - rolled_up.start) / rolled_up.step
