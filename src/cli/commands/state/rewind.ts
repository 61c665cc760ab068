import { State } from '../../../delivery/state/state.ts'
import type { Rewind } from '../../../delivery/state/state-changes.ts'
import type { PartitionRow } from '../../../delivery/state/rows.ts'
import { SluiceError } from '../../../errors.ts'
import { print, say } from '../../../observe/output.ts'
import { PipelineSecrets } from '../../../observe/pipeline-secrets.ts'
import { builtIns, findComponent } from '../../../registry.ts'
import type { Declaration } from '../../../registry.ts'
import type { SourceDeclaration } from '../../../component.ts'
import { loadOrFail } from '../../load.ts'
import { parseMoment } from '../../../runtime/time-range.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'
import { DAY } from '../../../time.ts'

interface RewindArguments {
  pipeline: string
  partition: string | undefined
  to: string
  yes: boolean
  state: string
}

export const command: CommandDefinition<RewindArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('partition', {
        type: 'string',
        describe: 'Rewind only this source partition, named as in state show',
        requiresArg: true,
      })
      .option('to', { type: 'string', default: 'all', describe: 'A time, or all for the beginning', requiresArg: true })
      .option('yes', { type: 'boolean', default: false, describe: 'Rewind even if there are no dedup keys' })
      .option('state', stateOption)
      .example('$0 state rewind jumpcloud --to 2026-03-04', 'read everything since that day again'),
  handler: async ({ pipeline, partition, to, yes, state: states }) => {
    const moment = to === 'all' ? undefined : parseMoment('--to', to)
    const state = await State.openExisting(stateFolder(pipeline, states))
    try {
      const rows = choose(state.partitions(), partition)
      const days = state.dedupBuckets().flatMap(({ name }) => (name.startsWith('d') ? [Number(name.slice(1))] : []))
      if (state.dedupBuckets().length === 0 && state.tally.written > 0 && !yes) throw nothingKnown(pipeline)
      const changes: Rewind[] = []
      for (const row of rows) changes.push(...(await rewind(row, moment, pipeline)))
      if (changes.length > 0) await state.rewind(changes, Date.now())
      for (const change of changes) print(describe(change))
      if (changes.length === 0) print('nothing to rewind')
      else if (days.length > 0) {
        const first = new Date(Math.min(...days) * DAY).toISOString().slice(0, 10)
        say(`dedup keys exist for events since ${first}; older events would be written again`)
      }
    } finally {
      await state.close()
    }
  },
}

function choose(rows: readonly PartitionRow[], partition: string | undefined): readonly PartitionRow[] {
  if (partition === undefined) return rows
  const chosen = rows.filter((row) => row.partition === partition)
  if (chosen.length > 0) return chosen
  const names = rows.map((row) => row.partition)
  throw new SluiceError('USAGE', `the state has no position for the source partition ${JSON.stringify(partition)}`, {
    hint: names.length === 0 ? 'it has no positions' : `source partitions: ${names.join(', ')}`,
  })
}

function nothingKnown(pipeline: string): SluiceError {
  return new SluiceError('USAGE', `${pipeline} has no dedup keys: records that are read again are written again`, {
    hint: 'confirm with --yes',
  })
}

async function rewind(row: PartitionRow, to: number | undefined, pipeline: string): Promise<Rewind[]> {
  const { partition, position, lowWatermark } = row
  if (to === undefined) return [{ partition }]
  const { source, secrets } = await sourceOf(partition, pipeline)
  const rewound = source?.rewind?.(secrets.unseal(position), to)
  if (rewound === undefined) {
    throw new SluiceError('USAGE', `the position of ${partition} cannot be rewound to a time`, {
      hint: 'rewind it with --to all, and select other partitions with --partition',
    })
  }
  if (rewound.by <= 0) return []
  return [
    {
      partition,
      to: {
        partition,
        position: secrets.seal(rewound.position),
        ...(lowWatermark !== undefined && { lowWatermark: lowWatermark - rewound.by }),
      },
    },
  ]
}

/**
 * Finds the source of a partition by the type at the start of the name. Custom sources are loaded
 * from the pipeline file.
 */
async function sourceOf(partition: string, pipeline: string): Promise<RewindableSource> {
  const isOwner = ({ kind, type }: Pick<Declaration, 'kind' | 'type'>): boolean =>
    kind === 'source' && partition.startsWith(`${type}:`)
  const known = builtIns.find(isOwner)
  const builtIn = known && (await findComponent('source', known.type))
  if (builtIn?.kind === 'source') return { source: builtIn, secrets: new PipelineSecrets() }
  const [loaded] = await loadOrFail([pipeline], { mode: 'test', parts: ['source'] })
  const { source, secrets } = loaded
  return { source: isOwner(source.declaration) ? source.declaration : undefined, secrets }
}

interface RewindableSource {
  readonly source: SourceDeclaration | undefined
  /** A position may be sealed with them. */
  readonly secrets: PipelineSecrets
}

function describe({ partition, to }: Rewind): string {
  return `${partition} ${to ? JSON.stringify(to.position) : 'will be read from the beginning'}`
}
