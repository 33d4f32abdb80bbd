WITH raw AS MATERIALIZED
(SELECT json_extract(anon_2.value, ?) AS query_index, json_extract(anon_2.value, ?) AS grain, json_extract(anon_2.value, ?) AS start, json_extract(anon_2.value, ?) AS "end", json_extract(anon_2.value, ?) AS step, CASE WHEN (json_extract(anon_2.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_2),
rolled_up AS MATERIALIZED
(SELECT json_extract(anon_6.value, ?) AS query_index, json_extract(anon_6.value, ?) AS grain, json_extract(anon_6.value, ?) AS start, json_extract(anon_6.value, ?) AS "end", json_extract(anon_6.value, ?) AS step, CASE WHEN (json_extract(anon_6.value, ?) < 0) THEN -1 ELSE 1 END AS sign
FROM json_each(?) AS anon_6)
 SELECT raw.query_index + (sessions.created_at - raw.start) / raw.step AS anon_1, sum(1) AS sum_1, sum(sessions.acus) AS sum_2
FROM raw CROSS JOIN sessions
WHERE sessions.org_id = ? AND sessions.created_at >= raw.start AND sessions.created_at < raw."end" AND sessions.has_merged_pr = ? AND CASE WHEN (sessions.origin IN ('api')) THEN 'api' WHEN (sessions.origin IN ('automation', 'scheduled')) THEN 'automation' WHEN (sessions.origin IN ('desktop')) THEN 'desktop' WHEN (sessions.origin IN ('jira')) THEN 'jira' WHEN (sessions.origin IN ('linear')) THEN 'linear' WHEN (sessions.origin IN ('slack')) THEN 'slack' WHEN (sessions.origin IN ('teams')) THEN 'teams' WHEN (sessions.origin IN ('webapp')) THEN 'webapp' ELSE 'other' END IN (SELECT anon_3.value
FROM json_each(?) AS anon_3) AND CASE WHEN (sessions.size IN ('xs')) THEN 'xs' WHEN (sessions.size IN ('s')) THEN 's' WHEN (sessions.size IN ('m')) THEN 'm' WHEN (sessions.size IN ('l')) THEN 'l' WHEN (sessions.size IN ('xl')) THEN 'xl' ELSE 'other' END IN (SELECT anon_4.value
FROM json_each(?) AS anon_4) GROUP BY raw.query_index + (sessions.created_at - raw.start) / raw.step UNION ALL SELECT rolled_up.query_index + (category_rollups.bucket - rolled_up.start) / rolled_up.step AS anon_5, sum(category_rollups.sessions_created_count) AS sum_3, sum(category_rollups.acus_consumed) AS sum_4
FROM rolled_up CROSS JOIN category_rollups
WHERE category_rollups.org_id = ? AND category_rollups.grain = rolled_up.grain AND category_rollups.bucket >= rolled_up.start AND category_rollups.bucket < rolled_up."end" AND category_rollups.has_merged_pr = ? AND category_rollups.origin IN (SELECT anon_7.value
FROM json_each(?) AS anon_7) AND category_rollups.size IN (SELECT anon_8.value
FROM json_each(?) AS anon_8) GROUP BY rolled_up.query_index + (category_rollups.bucket - rolled_up.start) / rolled_up.step
