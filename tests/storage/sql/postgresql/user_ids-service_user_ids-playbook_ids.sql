WITH raw AS MATERIALIZED
(SELECT each_raw.query_index AS query_index, each_raw.grain AS grain, each_raw.start AS start, each_raw."end" AS "end"
FROM jsonb_to_recordset(CAST($2::VARCHAR AS JSONB)) AS each_raw(query_index INTEGER, grain INTEGER, start BIGINT, "end" BIGINT)),
matching_sessions AS MATERIALIZED
(SELECT raw.query_index AS query_index, sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id
FROM raw JOIN sessions ON sessions.org_id = $3::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE sessions.user_id = ANY ($4::TEXT[]) UNION SELECT raw.query_index AS query_index, sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id
FROM raw JOIN sessions ON sessions.org_id = $3::VARCHAR COLLATE "C" AND sessions.created_at >= raw.start AND sessions.created_at < raw."end"
WHERE sessions.service_user_id = ANY ($5::TEXT[]))
 SELECT min(matching_sessions.query_index) AS min_1, count($1::INTEGER) AS sessions_created_count, CAST(sum(sessions.acus) AS BIGINT) AS acus_consumed
FROM matching_sessions JOIN sessions ON sessions.org_id = matching_sessions.org_id AND sessions.created_at = matching_sessions.created_at AND sessions.session_id = matching_sessions.session_id
WHERE sessions.playbook_id = ANY ($6::TEXT[]) GROUP BY matching_sessions.query_index
