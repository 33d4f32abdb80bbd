WITH raw AS MATERIALIZED
(SELECT json_extract(anon_4.value, ?) AS query_index, json_extract(anon_4.value, ?) AS grain, json_extract(anon_4.value, ?) AS start, json_extract(anon_4.value, ?) AS "end", json_extract(anon_4.value, ?) AS step, CASE WHEN (json_extract(anon_4.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_4),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_6.value, ?) AS query_index, json_extract(anon_6.value, ?) AS grain, json_extract(anon_6.value, ?) AS start, json_extract(anon_6.value, ?) AS "end", json_extract(anon_6.value, ?) AS step, CASE WHEN (json_extract(anon_6.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_6)
 SELECT anon_1.total_count, anon_1.id, anon_1.sessions_created_count, anon_1.acus_consumed
FROM (SELECT 0 AS total_count, anon_2.id AS id, anon_2.sessions_created_count AS sessions_created_count, anon_2.acus_consumed AS acus_consumed
FROM (SELECT anon_3.id AS id, sum(anon_3.sessions_created_count) AS sessions_created_count, sum(anon_3.acus_consumed) AS acus_consumed
FROM (SELECT CASE WHEN (sessions.origin IN ('api')) THEN 'api' WHEN (sessions.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (sessions.origin IN ('desktop')) THEN 'desktop' WHEN (sessions.origin IN ('jira')) THEN 'jira' WHEN (sessions.origin IN ('linear')) THEN 'linear' WHEN (sessions.origin IN ('slack')) THEN 'slack' WHEN (sessions.origin IN ('teams')) THEN 'teams' WHEN (sessions.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END AS id, 1 * raw.sign AS sessions_created_count, sessions.acus * raw.sign AS acus_consumed
FROM raw CROSS JOIN sessions
WHERE sessions.org_id = ? AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND CASE WHEN (sessions.size IN ('xs')) THEN 'xs' WHEN (sessions.size IN ('s')) THEN 's' WHEN (sessions.size IN ('m')) THEN 'm' WHEN (sessions.size IN ('l')) THEN 'l' WHEN (sessions.size IN ('xl')) THEN 'xl' ELSE 'other' END IN (SELECT anon_5.value
FROM json_each(?) AS anon_5) UNION ALL SELECT category_rollups.origin AS id, category_rollups.sessions_created_count * rolled_up.sign AS sessions_created_count, category_rollups.acus_consumed * rolled_up.sign AS acus_consumed
FROM rolled_up CROSS JOIN category_rollups
WHERE category_rollups.org_id = ? AND category_rollups.grain = rolled_up.grain AND category_rollups.bucket >= rolled_up.start AND category_rollups.bucket < rolled_up."end" AND category_rollups.size IN (SELECT anon_7.value
FROM json_each(?) AS anon_7)) AS anon_3 GROUP BY anon_3.id
HAVING sum(anon_3.sessions_created_count) > ?) AS anon_2) AS anon_1
WHERE anon_1.sessions_created_count < ? OR anon_1.sessions_created_count = ? AND anon_1.id > ? ORDER BY anon_1.sessions_created_count DESC, anon_1.id
 LIMIT ? OFFSET ?
