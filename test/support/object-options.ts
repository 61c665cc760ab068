/** The defaults of `roll` and `outbox` for sinks that deliver objects. */
export const roll = { maxBytes: 128 << 20, maxRecords: 1_000_000, maxAge: 300_000, maxPartitions: 64 }
export const outbox = { maxBytes: 2 ** 33 }
