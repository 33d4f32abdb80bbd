WITH raw AS MATERIALIZED
(SELECT json_extract(anon_4.value, ?) AS query_index, json_extract(anon_4.value, ?) AS grain, json_extract(anon_4.value, ?) AS start, json_extract(anon_4.value, ?) AS "end", json_extract(anon_4.value, ?) AS step, CASE WHEN (json_extract(anon_4.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_4),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_5.value, ?) AS query_index, json_extract(anon_5.value, ?) AS grain, json_extract(anon_5.value, ?) AS start, json_extract(anon_5.value, ?) AS "end", json_extract(anon_5.value, ?) AS step, CASE WHEN (json_extract(anon_5.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_5)
 SELECT anon_1.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM (SELECT 0 AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count, anon_2.acus_consumed AS acus_consumed
FROM (SELECT anon_3.id AS id, sum(anon_3.sessions_created_count) AS sessions_created_count, sum(anon_3.acus_consumed) AS acus_consumed
FROM (SELECT sessions.user_id AS id, 1 * raw.sign AS sessions_created_count, sessions.acus * raw.sign AS acus_consumed
FROM raw CROSS JOIN sessions
WHERE sessions.org_id = ? AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND length(sessions.user_id) > ? UNION ALL SELECT rollups.scope_id AS id, rollups.sessions_created_count * rolled_up.sign AS sessions_created_count, rollups.acus_consumed * rolled_up.sign AS acus_consumed
FROM rolled_up CROSS JOIN rollups INDEXED BY ix_rollups_org_id_scope_grain_bucket_scope_id
WHERE rollups.org_id = ? AND rollups.scope = ? AND rollups.scope > 0 AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end") AS anon_3 GROUP BY anon_3.id
HAVING sum(anon_3.sessions_created_count) > ?) AS anon_2) AS anon_1
WHERE anon_1.acus_consumed / anon_1.sessions_created_count < ? OR anon_1.acus_consumed / anon_1.sessions_created_count = ? AND ((CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE) / anon_1.sessions_created_count) < ? OR (CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE) / anon_1.sessions_created_count) = ? AND anon_1.id > ?) ORDER BY anon_1.acus_consumed / anon_1.sessions_created_count DESC, (CAST(anon_1.acus_consumed % anon_1.sessions_created_count AS DOUBLE) / anon_1.sessions_created_count) DESC, anon_1.id
 LIMIT ? OFFSET ?
