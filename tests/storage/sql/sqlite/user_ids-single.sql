WITH user_ids AS MATERIALIZED
(SELECT anon_1.value AS id
FROM json_each(?) AS anon_1),
raw AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end", json_extract(anon_2.value, ?) AS step, CASE WHEN (json_extract(anon_2.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_2),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_3.value, ?) AS query_index, json_extract(anon_3.value, ?) AS grain, json_extract(anon_3.value, ?) AS start, json_extract(anon_3.value, ?) AS "end", json_extract(anon_3.value, ?) AS step, CASE WHEN (json_extract(anon_3.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_3)
 SELECT min(0) AS min_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" UNION ALL SELECT min(0) AS min_2, sum(rollups.sessions_created_count) AS sum_3, sum(rollups.acus_consumed) AS sum_4
FROM user_ids CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.org_id = ? AND rollups.scope = ? AND rollups.scope_id = user_ids.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
