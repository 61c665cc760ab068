-- A line that is not JSON would end the job without ignore_errors; with it, the line is skipped.
CREATE VIEW job AS
WITH events AS (
  SELECT json AS event, json_extract_string(json, '$.id') AS id
  FROM read_ndjson_objects(getenv('INPUT'), ignore_errors = true)
  WHERE json_type(json, '$.id') = 'VARCHAR' AND json_extract_string(json, '$.id') <> ''
    AND json_type(json, '$.timestamp') = 'VARCHAR'
), firsts AS (SELECT any_value(event) AS event FROM events GROUP BY id)
SELECT json_merge_patch(
  event,
  CASE WHEN json_exists(event, '$.client_ip') THEN '{"client_ip":"[redacted]"}' ELSE '{}' END,
  CASE WHEN json_exists(event, '$.username') THEN '{"username":"[redacted]"}' ELSE '{}' END,
  CASE WHEN json_exists(event, '$.initiated_by.username') THEN '{"initiated_by":{"username":"[redacted]"}}' ELSE '{}' END,
  CASE WHEN json_exists(event, '$.system.hostname') THEN '{"system":{"hostname":"[redacted]"}}' ELSE '{}' END
)::VARCHAR AS line
FROM firsts;
