-- Fluent Bit has no deduplication: this table holds all keys, in memory and nowhere else.
local seen = {}

local function mask(table_or_not, name)
  if type(table_or_not) == "table" and table_or_not[name] ~= nil then table_or_not[name] = "[redacted]" end
end

function job(tag, timestamp, record)
  local id = record["id"]
  if type(id) ~= "string" or id == "" or type(record["timestamp"]) ~= "string" then return -1, timestamp, record end
  if seen[id] then return -1, timestamp, record end
  seen[id] = true
  mask(record, "client_ip")
  mask(record, "username")
  mask(record["initiated_by"], "username")
  mask(record["system"], "hostname")
  return 2, timestamp, record
end
