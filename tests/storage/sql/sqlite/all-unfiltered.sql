WITH raw AS MATERIALIZED
(SELECT json_extract(anon_1.value, ?) AS query_index, json_extract(anon_1.value, ?) AS grain, json_extract(anon_1.value, ?) AS start, json_extract(anon_1.value, ?) AS "end"
FROM json_each(?) AS anon_1),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end"
FROM json_each(?) AS anon_2)
 SELECT min(raw.query_index) AS min_1, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM organizations CROSS JOIN raw CROSS JOIN sessions
WHERE sessions.org_id = organizations.org_id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" GROUP BY raw.query_index UNION ALL SELECT min(rolled_up.query_index) AS min_2, sum(rollups.sessions_created_count) AS sessions_created_count, sum(rollups.acus_consumed) AS acus_consumed
FROM organizations CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.scope = ? AND rollups.scope_id = ? AND rollups.org_id = organizations.org_id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end" GROUP BY rolled_up.query_index
