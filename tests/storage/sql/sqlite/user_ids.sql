WITH raw AS MATERIALIZED
(SELECT json_extract(anon_1.value, ?) AS query_index, json_extract(anon_1.value, ?) AS grain, json_extract(anon_1.value, ?) AS start, json_extract(anon_1.value, ?) AS "end"
FROM json_each(?) AS anon_1),
matching_sessions AS MATERIALIZED
(SELECT raw.query_index AS query_index, sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id
FROM raw JOIN sessions ON sessions.org_id = ? AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE sessions.user_id IN (SELECT anon_2.value
FROM json_each(?) AS anon_2)),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_3.value, ?) AS query_index, json_extract(anon_3.value, ?) AS grain, json_extract(anon_3.value, ?) AS start, json_extract(anon_3.value, ?) AS "end"
FROM json_each(?) AS anon_3),
matching_rollups AS MATERIALIZED
(SELECT rolled_up.query_index AS query_index, rollups.org_id AS org_id, rollups.scope AS scope, rollups.grain AS grain, rollups.bucket AS bucket, rollups.scope_id AS scope_id
FROM rolled_up JOIN rollups ON rollups.org_id = ? AND rollups.scope = ? AND rollups.grain = rolled_up.grain AND rollups.bucket >= rolled_up.start AND rollups.bucket < rolled_up."end"
WHERE rollups.scope_id IN (SELECT anon_4.value
FROM json_each(?) AS anon_4))
 SELECT min(matching_sessions.query_index) AS min_1, count(?) AS sessions_created_count, sum(sessions.acus) AS acus_consumed
FROM matching_sessions JOIN sessions ON sessions.org_id = matching_sessions.org_id AND sessions.created_at = matching_sessions.created_at AND sessions.session_id = matching_sessions.session_id GROUP BY matching_sessions.query_index UNION ALL SELECT min(matching_rollups.query_index) AS min_2, sum(rollups.sessions_created_count) AS sessions_created_count, sum(rollups.acus_consumed) AS acus_consumed
FROM matching_rollups JOIN rollups ON rollups.org_id = matching_rollups.org_id AND rollups.scope = matching_rollups.scope AND rollups.grain = matching_rollups.grain AND rollups.bucket = matching_rollups.bucket AND rollups.scope_id = matching_rollups.scope_id GROUP BY matching_rollups.query_index
