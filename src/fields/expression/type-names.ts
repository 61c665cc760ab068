/** The names of types, for `type(record.a) == string`. */
export const TYPE_NAMES: ReadonlySet<string> = new Set(['bool', 'double', 'int', 'list', 'map', 'null_type', 'string'])
