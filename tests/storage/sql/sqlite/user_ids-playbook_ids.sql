WITH user_ids AS MATERIALIZED
(SELECT anon_1.value AS id
FROM json_each(?) AS anon_1),
raw AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end"
FROM json_each(?) AS anon_2)
 SELECT min(raw.query_index) AS min_1, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND sessions.playbook_id IN (SELECT anon_3.value
FROM json_each(?) AS anon_3) GROUP BY raw.query_index
