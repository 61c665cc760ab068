import { resolve } from 'node:path'
import { REJECTS } from '../../delivery/state/rows.ts'
import { sum } from '../../delivery/tally.ts'
import { SluiceError } from '../../errors.ts'
import { print, printJson } from '../../observe/output.ts'
import { formatBytes, formatCount, plural } from '../../observe/report.ts'
import { verifyPipeline } from '../../inspect/verify.ts'
import type { Verification } from '../../inspect/verify.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'
import { jsonOption, pipelineArgument, setOption, stateOption } from '../options.ts'

interface VerifyArguments {
  pipeline: string
  set: string[] | undefined
  state: string
  json: boolean
}

export const command: CommandDefinition<VerifyArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('state', stateOption)
      .option('set', setOption)
      .option('json', jsonOption),
  handler: async ({ pipeline: name, set, state, json }) => {
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['sinks'], set: set ?? [] })
    const found = await verifyPipeline(pipeline, resolve(state), new AbortController().signal)
    if (json) printJson(found)
    else print(...render(found))
    const { problems } = found
    if (problems.length === 0) return
    throw new SluiceError('VERIFY_FAILED', `${plural(problems.length, 'problem')} in the output of ${name}`, {
      hint: 'docs/guarantees.md explains each kind of problem',
    })
  },
}

/** A line for each sink, if there are several. */
function renderSinks(sinks: Verification['sinks']): string[] {
  const all = Object.entries(sinks).filter(([name]) => name !== REJECTS)
  if (all.length < 2) return []
  return all.map(([name, { objects, records, bytes }]) => {
    return `  to ${name.padEnd(8)} ${plural(objects, 'object')}: ${plural(records, 'record')}, ${formatBytes(bytes)}`
  })
}

function render({
  pipeline,
  objects,
  records,
  bytes,
  totals,
  sinks,
  waiting,
  problems,
  notes,
}: Verification): string[] {
  const { read, added, written, duplicate, dropped, rejected } = totals
  const counts = Object.entries({ written, dropped: sum(dropped), duplicate, rejected })
  const sums = counts.map(([name, count]) => `${name} ${formatCount(count)}`).join(' + ')
  return [
    `${pipeline}: ${problems.length === 0 ? 'ok' : `FAILED with ${plural(problems.length, 'problem')}`}`,
    `  ledger      read ${formatCount(read)} + added ${formatCount(added)} = ${sums}`,
    `  objects     ${formatCount(objects)} match the commit history: ${plural(records, 'record')}, ${formatBytes(bytes)}`,
    ...renderSinks(sinks),
    ...waiting
      .filter(({ key }) => !problems.some((problem) => problem.key === key))
      .map((row) => `  waiting     ${row.key}: ${plural(row.records, 'record')}, waiting for upload`),
    ...problems.map(
      ({ kind, key, message }) => `  ${kind.padEnd(11)} ${key === undefined ? '' : `${key}: `}${message}`,
    ),
    ...notes.map((note) => `  note        ${note}`),
  ]
}
