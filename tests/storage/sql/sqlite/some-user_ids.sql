WITH org_ids AS MATERIALIZED
(SELECT anon_2.value AS id
FROM json_each(?) AS anon_2),
user_ids AS MATERIALIZED
(SELECT anon_3.value AS id
FROM json_each(?) AS anon_3),
raw AS MATERIALIZED
(SELECT json_extract(anon_4.value, ?) AS query_index, json_extract(anon_4.value, ?) AS grain, json_extract(anon_4.value, ?) AS start, json_extract(anon_4.value, ?) AS "end", json_extract(anon_4.value, ?) AS step, CASE WHEN (json_extract(anon_4.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_4),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_6.value, ?) AS query_index, json_extract(anon_6.value, ?) AS grain, json_extract(anon_6.value, ?) AS start, json_extract(anon_6.value, ?) AS "end", json_extract(anon_6.value, ?) AS step, CASE WHEN (json_extract(anon_6.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_6)
 SELECT raw.query_index + (sessions.created_at - raw.start) / raw.step AS anon_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM org_ids CROSS JOIN user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = org_ids.id AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" GROUP BY raw.query_index + (sessions.created_at - raw.start) / raw.step UNION ALL SELECT rolled_up.query_index + (rollups.bucket - rolled_up.start) / rolled_up.step AS anon_5, sum(rollups.sessions_created_count) AS sum_3, sum(rollups.acus_consumed) AS sum_4
FROM org_ids CROSS JOIN user_ids CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.scope = ? AND rollups.org_id = org_ids.id AND rollups.scope_id = user_ids.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end" GROUP BY rolled_up.query_index + (rollups.bucket - rolled_up.start) / rolled_up.step
