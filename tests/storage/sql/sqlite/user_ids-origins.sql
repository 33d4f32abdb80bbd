WITH user_ids AS MATERIALIZED
(SELECT anon_2.value AS id
FROM json_each(?) AS anon_2),
raw AS MATERIALIZED
(SELECT json_extract(anon_3.value, ?) AS query_index, json_extract(anon_3.value, ?) AS grain, json_extract(anon_3.value, ?) AS start, json_extract(anon_3.value, ?) AS "end", json_extract(anon_3.value, ?) AS step, CASE WHEN (json_extract(anon_3.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_3)
 SELECT raw.query_index + (sessions.created_at - raw.start) / raw.step AS anon_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM user_ids CROSS JOIN raw CROSS JOIN sessions INDEXED BY ix_sessions_org_id_user_id_created_at
WHERE sessions.org_id = ? AND sessions.user_id = user_ids.id AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND CASE WHEN (sessions.origin IN ('api')) THEN 'api' WHEN (sessions.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (sessions.origin IN ('desktop')) THEN 'desktop' WHEN (sessions.origin IN ('jira')) THEN 'jira' WHEN (sessions.origin IN ('linear')) THEN 'linear' WHEN (sessions.origin IN ('slack')) THEN 'slack' WHEN (sessions.origin IN ('teams')) THEN 'teams' WHEN (sessions.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END IN (SELECT anon_4.value
FROM json_each(?) AS anon_4) GROUP BY raw.query_index + (sessions.created_at - raw.start) / raw.step
