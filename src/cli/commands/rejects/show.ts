import { readLocalRejects } from '../../../delivery/rejects/local-rejects-reader.ts'
import type { LocalReject } from '../../../delivery/rejects/local-rejects-reader.ts'
import { SluiceError } from '../../../errors.ts'
import { print, say, writeRecord } from '../../../observe/output.ts'
import { formatCount, plural } from '../../../observe/report.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'

interface ShowRejectsArguments {
  pipeline: string
  code: string | undefined
  stage: string | undefined
  limit: number | undefined
  state: string
  json: boolean
}

export const command: CommandDefinition<ShowRejectsArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('code', { type: 'string', describe: 'Show only rejects with this code', requiresArg: true })
      .option('stage', { type: 'string', describe: 'Show only rejects of this stage', requiresArg: true })
      .option('limit', {
        type: 'number',
        describe: 'Number of rejects to print: per group (default 5), or in total with --json (default all)',
      })
      .option('state', stateOption)
      .option('json', { type: 'boolean', default: false, describe: 'Print the rejects as NDJSON, ungrouped' })
      .example('$0 rejects show jumpcloud --code SCHEMA_VIOLATION', 'records that do not match the schema'),
  handler: async ({ pipeline, code, stage, limit, state, json }) => {
    if (limit !== undefined && (!Number.isInteger(limit) || limit < 0)) {
      throw new SluiceError('USAGE', '--limit must be a non-negative integer')
    }
    const matches = (reject: LocalReject): boolean =>
      (code === undefined || reject.code === code) && (stage === undefined || reject.stage === stage)
    const { evicted, rejects } = await readLocalRejects(stateFolder(pipeline, state))
    if (json) {
      await printLines(rejects, matches, limit ?? Infinity)
      return
    }
    print(...render(await group(rejects, matches, limit ?? DEFAULT_LIMIT)))
    if (evicted > 0) say(`${plural(evicted, 'older reject')} deleted to free disk space`)
  },
}

/** Rejects shown per group. */
const DEFAULT_LIMIT = 5
/** Records are truncated to this many characters. */
const MAX_CHARACTERS = 160

async function printLines(
  rejects: AsyncIterable<LocalReject>,
  matches: (reject: LocalReject) => boolean,
  limit: number,
): Promise<void> {
  let printed = 0
  for await (const reject of rejects) {
    if (printed >= limit) return
    if (!matches(reject)) continue
    printed++
    await writeRecord(reject.json)
  }
}

interface Group {
  count: number
  readonly first: LocalReject
  readonly lines: string[]
}

async function group(
  rejects: AsyncIterable<LocalReject>,
  matches: (reject: LocalReject) => boolean,
  limit: number,
): Promise<Group[]> {
  const groups = new Map<string, Group>()
  for await (const reject of rejects) {
    if (!matches(reject)) continue
    const name = JSON.stringify([reject.code, reject.stage])
    const one = groups.get(name) ?? { count: 0, first: reject, lines: [] }
    groups.set(name, one)
    one.count++
    if (one.lines.length < limit) one.lines.push(describe(reject))
  }
  return [...groups.values()].toSorted((a, b) => b.count - a.count)
}

function describe({ origin, line, detail, json }: LocalReject): string {
  const [, content = ''] = /"(?:record|text)":(.*)\}$/s.exec(json) ?? []
  const shown = content.length > MAX_CHARACTERS ? `${content.slice(0, MAX_CHARACTERS)}…` : content
  return [`${origin}:${line}`, detail, shown].filter(Boolean).join('  ')
}

function render(groups: readonly Group[]): string[] {
  if (groups.length === 0) return ['no rejects']
  return groups.flatMap(({ count, first, lines: shown }) => [
    `${first.code} at ${first.stage}: ${formatCount(count)}`,
    ...shown.map((line) => `  ${line}`),
    ...(shown.length < count && shown.length > 0 ? [`  … and ${formatCount(count - shown.length)} more`] : []),
  ])
}
