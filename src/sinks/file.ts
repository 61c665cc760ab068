import { checkObjectFields, objectFields } from '../fields/object-fields.ts'
import { folderSink } from './file/folder-sink.ts'
import { defineSink } from '../component.ts'
import { Choice, FilePath } from '../fields/fields.ts'

export default defineSink({
  type: 'file',
  summary: 'Writes compressed NDJSON files below a folder, each exactly once.',
  delivers: 'objects',
  fields: {
    path: FilePath({
      description: 'The folder; created if absent. On the device of the state folder, files are linked, not copied.',
    }),
    access: Choice(['owner', 'group'], {
      default: 'owner',
      description:
        'Who can read the files and enter new folders: only the user who runs Sluice, or also the group of the folder.',
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
  create: ({ path, access }) => folderSink(path, access),
})
