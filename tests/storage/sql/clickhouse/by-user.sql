SELECT `anon_1`.`total_count`, `anon_1`.`id`, `anon_1`.`sessions_created_count`, `anon_1`.`acus_consumed`
FROM (SELECT count(*) OVER () AS `total_count`, `anon_2`.`id` AS `id`, `anon_2`.`sessions_created_count` AS `sessions_created_count`, `anon_2`.`acus_consumed` AS `acus_consumed`
FROM (SELECT `anon_3`.`id` AS `id`, sum(`anon_3`.`sessions_created_count`) AS `sessions_created_count`, sum(`anon_3`.`acus_consumed`) AS `acus_consumed`
FROM (SELECT `sessions`.`user_id` AS `id`, count({param_1:Int32}) AS `sessions_created_count`, sum(`sessions`.`acus`) AS `acus_consumed`
FROM `sessions`
WHERE `sessions`.`org_id` = {org_id:String} AND `sessions`.`created_at` >= arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 1), 1) AND `sessions`.`created_at` < arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 2), -1) AND length(`sessions`.`user_id`) > {length_1:Int32} GROUP BY `sessions`.`user_id`) AS `anon_3` GROUP BY `anon_3`.`id`
HAVING sum(`anon_3`.`sessions_created_count`) > {sum_1:Int32}) AS `anon_2`) AS `anon_1` ORDER BY `anon_1`.`sessions_created_count` DESC, `anon_1`.`id`
 LIMIT {first:Int32}
