WITH service_user_ids AS MATERIALIZED
(SELECT anon_2.value AS id
FROM json_each(?) AS anon_2),
raw AS MATERIALIZED
(SELECT json_extract(anon_3.value, ?) AS query_index, json_extract(anon_3.value, ?) AS grain, json_extract(anon_3.value, ?) AS start, json_extract(anon_3.value, ?) AS "end", json_extract(anon_3.value, ?) AS step, CASE WHEN (json_extract(anon_3.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_3)
 SELECT raw.query_index + (sessions.created_at - raw.start) / raw.step AS anon_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM service_user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_service_user_id_created_at
WHERE sessions.org_id = ? AND sessions.service_user_id = service_user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND sessions.playbook_id IN (SELECT anon_4.value
FROM json_each(?) AS anon_4) GROUP BY raw.query_index + (sessions.created_at - raw.start) / raw.step
