# Writes the id, a tab and the record: awk drops the lines whose id it has seen. An object of keys in jq
# itself is copied for every record.
def mask($name): if type == "object" and has($name) then .[$name] = "[redacted]" else . end;
select(type == "object" and (.id | type) == "string" and .id != "" and (.timestamp | type) == "string")
| mask("client_ip")
| mask("username")
| if has("initiated_by") then .initiated_by |= mask("username") else . end
| if has("system") then .system |= mask("hostname") else . end
| .id + "\t" + tojson
