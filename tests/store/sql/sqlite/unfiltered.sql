SELECT count(*) AS sessions_created_count, coalesce(sum(sessions.acus), :coalesce_1) AS acus_consumed 
FROM sessions 
WHERE sessions.org_id = :org_id AND sessions.created_at >= :start AND sessions.created_at < :end
