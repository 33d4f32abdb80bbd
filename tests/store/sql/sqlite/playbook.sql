WITH matching AS MATERIALIZED 
(SELECT sessions.org_id AS org_id, sessions.created_at AS created_at, sessions.session_id AS session_id 
FROM sessions 
WHERE sessions.org_id = :org_id AND sessions.created_at >= :start AND sessions.created_at < :end AND sessions.playbook_id = :playbook_id)
 SELECT count(*) AS sessions_created_count, coalesce(sum(sessions.acus), :coalesce_1) AS acus_consumed 
FROM matching JOIN sessions ON sessions.org_id = matching.org_id AND sessions.created_at = matching.created_at AND sessions.session_id = matching.session_id 
WHERE sessions.playbook_id = :playbook_id
