WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step, CASE WHEN (each_raw.query_index < 0) THEN -1 ELSE 1 END AS sign
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_1, CAST(sum(1) AS BIGINT) AS sum_1, CAST(sum(rows.acus) AS BIGINT) AS sum_2
FROM unnest($1::TEXT[]) AS user_ids(id) CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at
FROM sessions
WHERE sessions.org_id = $3::VARCHAR COLLATE "C" AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step UNION ALL SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_2, CAST(sum(1) AS BIGINT) AS sum_3, CAST(sum(rows.acus) AS BIGINT) AS sum_4
FROM unnest($4::TEXT[]) AS service_user_ids(id) CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.user_id AS user_id
FROM sessions
WHERE sessions.org_id = $3::VARCHAR COLLATE "C" AND sessions.service_user_id = service_user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE rows.user_id IS NULL OR NOT (rows.user_id = ANY ($1::TEXT[])) GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step
