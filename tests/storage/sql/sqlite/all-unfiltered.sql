WITH raw AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end", json_extract(anon_2.value, ?) AS step, CASE WHEN (json_extract(anon_2.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_2),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_4.value, ?) AS query_index, json_extract(anon_4.value, ?) AS grain, json_extract(anon_4.value, ?) AS start, json_extract(anon_4.value, ?) AS "end", json_extract(anon_4.value, ?) AS step, CASE WHEN (json_extract(anon_4.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_4)
 SELECT raw.query_index + (sessions.created_at - raw.start) / raw.step AS anon_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM organizations CROSS JOIN raw CROSS JOIN sessions
WHERE sessions.org_id = organizations.org_id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" GROUP BY raw.query_index + (sessions.created_at - raw.start) / raw.step UNION ALL SELECT rolled_up.query_index + (rollups.bucket - rolled_up.start) / rolled_up.step AS anon_3, sum(rollups.sessions_created_count) AS sum_3, sum(rollups.acus_consumed) AS sum_4
FROM organizations CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.scope = ? AND rollups.scope_id = ? AND rollups.org_id = organizations.org_id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end" GROUP BY rolled_up.query_index + (rollups.bucket - rolled_up.start) / rolled_up.step
