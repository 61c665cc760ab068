import { checkObjectFields, objectFields } from '../fields/object-fields.ts'
import { folderSink } from './file/folder-sink.ts'
import { defineSink } from '../component.ts'
import { FilePath } from '../fields/fields.ts'

export default defineSink({
  type: 'file',
  summary: 'Writes compressed NDJSON files below a folder, each exactly once.',
  delivers: 'objects',
  fields: {
    path: FilePath({
      description: 'The folder; created if absent. On the device of the state folder, files are linked, not copied.',
    }),
    ...objectFields,
  },
  examples: [
    { title: 'One folder per day of event time', config: { path: 'out', key: 'dt={record.timestamp:yyyy-MM-dd}' } },
    {
      title: 'Uncompressed, a new file every minute',
      config: { path: 'out', compression: 'none', roll: { maxAge: '1m' } },
    },
  ],
  check: (config) => checkObjectFields(config),
  create: ({ path }) => folderSink(path),
})
