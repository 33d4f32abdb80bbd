WITH user_ids AS MATERIALIZED
(SELECT anon_1.value AS id
FROM json_each(?) AS anon_1),
raw AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end"
FROM json_each(?) AS anon_2),
service_user_ids AS MATERIALIZED
(SELECT anon_3.value AS id
FROM json_each(?) AS anon_3)
 SELECT min(raw.query_index) AS min_1, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" GROUP BY raw.query_index UNION ALL SELECT min(raw.query_index) AS min_2, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM service_user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_service_user_id_created_at
WHERE sessions.org_id = ? AND sessions.service_user_id = service_user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND (sessions.user_id IS NULL OR (sessions.user_id NOT IN (SELECT anon_4.value
FROM json_each(?) AS anon_4))) GROUP BY raw.query_index
