WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end", each_raw.step AS step
FROM jsonb_to_recordset(CAST($3::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT, step BIGINT))
 SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_1, count($1::INTEGER) AS sessions_created_count, CAST(sum(rows.acus) AS BIGINT) AS acus_consumed
FROM unnest($2::TEXT[]) AS user_ids(id) CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.playbook_id AS playbook_id
FROM sessions
WHERE sessions.org_id = $4::VARCHAR COLLATE "C" AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE rows.playbook_id = ANY ($5::TEXT[]) GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step UNION ALL SELECT raw.query_index + (rows.created_at - raw.start) / raw.step AS anon_2, count($6::INTEGER) AS sessions_created_count, CAST(sum(rows.acus) AS BIGINT) AS acus_consumed
FROM unnest($7::TEXT[]) AS service_user_ids(id) CROSS JOIN raw CROSS JOIN LATERAL (SELECT sessions.acus AS acus, sessions.created_at AS created_at, sessions.playbook_id AS playbook_id, sessions.user_id AS user_id
FROM sessions
WHERE sessions.org_id = $4::VARCHAR COLLATE "C" AND sessions.service_user_id = service_user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
 LIMIT ALL OFFSET 0) AS rows
WHERE rows.playbook_id = ANY ($5::TEXT[]) AND (rows.user_id IS NULL OR NOT (rows.user_id = ANY ($2::TEXT[]))) GROUP BY raw.query_index + (rows.created_at - raw.start) / raw.step
