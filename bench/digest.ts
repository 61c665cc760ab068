import { createHash } from 'node:crypto'
import { defineTransform } from 'sluice'

/** Work on the whole record as an object, as custom code does that calls a library: about 20 µs. */
export default defineTransform({
  summary: 'Adds a digest of the record.',
  parallel: true,
  reusesBuffers: true,
  fields: {},
  create: () => (record) =>
    record.set('digest', createHash('sha256').update(JSON.stringify(record.value)).digest('hex')),
})
