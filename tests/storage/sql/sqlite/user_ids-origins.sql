WITH raw AS MATERIALIZED
(SELECT json_extract(anon_1.value, ?) AS query_index, json_extract(anon_1.value, ?) AS grain, json_extract(anon_1.value, ?) AS start, json_extract(anon_1.value, ?) AS "end"
FROM json_each(?) AS anon_1),
matching_sessions AS MATERIALIZED
(SELECT raw.query_index AS query_index, sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id
FROM raw JOIN sessions ON sessions.org_id = ? AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE sessions.user_id IN (SELECT anon_2.value
FROM json_each(?) AS anon_2))
 SELECT min(matching_sessions.query_index) AS min_1, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM matching_sessions JOIN sessions ON sessions.org_id = matching_sessions.org_id AND sessions.created_at = matching_sessions.created_at AND sessions.session_id = matching_sessions.session_id
WHERE CASE WHEN (sessions.origin IN ('api')) THEN 'api' WHEN (sessions.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (sessions.origin IN ('desktop')) THEN 'desktop' WHEN (sessions.origin IN ('jira')) THEN 'jira' WHEN (sessions.origin IN ('linear')) THEN 'linear' WHEN (sessions.origin IN ('slack')) THEN 'slack' WHEN (sessions.origin IN ('teams')) THEN 'teams' WHEN (sessions.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END IN (SELECT anon_3.value
FROM json_each(?) AS anon_3) GROUP BY matching_sessions.query_index
