WITH user_ids AS MATERIALIZED
(SELECT anon_5.value AS id
FROM json_each(?) AS anon_5),
raw AS MATERIALIZED
(SELECT json_extract(anon_6.value, ?) AS query_index, json_extract(anon_6.value, ?) AS grain, json_extract(anon_6.value, ?) AS start, json_extract(anon_6.value, ?) AS "end", json_extract(anon_6.value, ?) AS step, CASE WHEN (json_extract(anon_6.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_6),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_7.value, ?) AS query_index, json_extract(anon_7.value, ?) AS grain, json_extract(anon_7.value, ?) AS start, json_extract(anon_7.value, ?) AS "end", json_extract(anon_7.value, ?) AS step, CASE WHEN (json_extract(anon_7.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_7),
ranked AS MATERIALIZED
(SELECT anon_2.total_count AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count
FROM (SELECT count(*) OVER () AS total_count, anon_3.id AS id, anon_3.sessions_created_count AS sessions_created_count
FROM (SELECT anon_4.id AS id, sum(anon_4.sessions_created_count) AS sessions_created_count
FROM (SELECT sessions.user_id AS id, 1 * raw.sign AS sessions_created_count
FROM user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND length(sessions.user_id) > ? UNION ALL SELECT rollups.scope_id AS id, rollups.sessions_created_count * rolled_up.sign AS sessions_created_count
FROM user_ids CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.org_id = ? AND rollups.scope = ? AND rollups.scope_id = user_ids.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end") AS anon_4 GROUP BY anon_4.id
HAVING sum(anon_4.sessions_created_count) > ?) AS anon_3) AS anon_2 ORDER BY anon_2.sessions_created_count DESC, anon_2.id
 LIMIT ? OFFSET ?)
 SELECT ranked.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM ranked JOIN (SELECT anon_8.id AS id, sum(anon_8.sessions_created_count) AS sessions_created_count, sum(anon_8.acus_consumed) AS acus_consumed
FROM (SELECT ranked.id AS id, rollups.sessions_created_count * rolled_up.sign AS sessions_created_count, rollups.acus_consumed * rolled_up.sign AS acus_consumed
FROM ranked CROSS JOIN rolled_up CROSS JOIN rollups
WHERE rollups.org_id = ? AND rollups.scope = ? AND rollups.scope_id = ranked.id AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end" UNION ALL SELECT ranked.id AS id, 1 * raw.sign AS sessions_created_count, sessions.acus * raw.sign AS acus_consumed
FROM ranked CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = ranked.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end") AS anon_8 GROUP BY anon_8.id
HAVING sum(anon_8.sessions_created_count) > ?) AS anon_1 ON anon_1.id = ranked.id ORDER BY ranked.sessions_created_count DESC, ranked.id
