import { join } from 'node:path'
import { openCommit } from '../../../../src/delivery/open-commit.ts'
import { Paths } from '../../../../src/record/paths/path.ts'
import { fileTarget, lines, stream } from '../../../delivery/support.ts'

/**
 * Commits one record to the state below its argument, reports that to its parent, and owns the
 * state until it is killed.
 */
const base = process.argv[2]
const commit = await openCommit({
  folder: join(base, 'state', 'events'),
  pipeline: 'events',
  keys: {},
  paths: new Paths(),
  note: () => undefined,
  sinks: [await fileTarget(join(base, 'out'))],
})
await stream({ commit, chunks: [{ bytes: lines({ id: 1 }), position: 'committed' }] })
process.send?.('committed')
setInterval(() => undefined, 1000)
