import { resolve } from 'node:path'
import type { ObjectTarget } from '../../../delivery/commit-options.ts'
import { tryConnection } from '../../../delivery/outbox/first-connection.ts'
import { fixedFolder } from '../../../delivery/outbox/partitioner.ts'
import { planRedirect } from '../../../delivery/outbox/redirect.ts'
import type { RedirectPlan, RedirectTarget } from '../../../delivery/outbox/redirect.ts'
import { REJECTS, sinkNameOf } from '../../../delivery/state/rows.ts'
import { State } from '../../../delivery/state/state.ts'
import { SluiceError } from '../../../errors.ts'
import { suggest } from '../../../fields/suggest.ts'
import { parseKeyTemplate } from '../../../fields/key-template.ts'
import { print, say } from '../../../observe/output.ts'
import { formatBytes, plural } from '../../../observe/report.ts'
import { openObjectSinks } from '../../../runtime/open-delivery.ts'
import { confirm, yesOption } from '../../confirm.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, setOption, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'

interface RedirectArguments {
  pipeline: string
  to: string | undefined
  yes: boolean
  set: string[] | undefined
  state: string
}

export const command: CommandDefinition<RedirectArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('to', {
        type: 'string',
        describe: 'The sink that gets what waits for sinks that the pipeline file no longer has',
      })
      .option('yes', yesOption)
      .option('set', setOption)
      .option('state', stateOption)
      .example('$0 state redirect jumpcloud', 'after a wrong bucket name was corrected'),
  handler: async ({ pipeline: name, to, yes, set, state: states }) => {
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['sinks'], set: set ?? [] })
    const state = await State.openExisting(stateFolder(name, resolve(states)))
    let sinks: Awaited<ReturnType<typeof openObjectSinks>> = []
    try {
      sinks = await openObjectSinks(pipeline)
      requireSink(to, sinks)
      const plan = await planRedirect(state.objects(), sinks, { to, signal: AbortSignal.timeout(LOOK_UP_TIMEOUT) })
      if (plan.moves.length === 0 && plan.published.length === 0) {
        print('nothing to redirect: all waiting objects go where the pipeline file says')
        return
      }
      say(...describe(plan))
      await requireConnection(sinks, plan, pipeline.name)
      await confirm('Send them there?', { yes, undone: 'nothing was changed' })
      const moved = plan.moves.map(({ row }) => row)
      await state.redirect({ moved, published: plan.published, what: summary(plan), at: Date.now() })
      print(`${plural(moved.length, 'object')} redirected: the next run publishes what waits`)
    } finally {
      for (const { sink } of sinks) await sink.close?.()
      await state.close()
    }
  },
}

/** Milliseconds for questions to the old destinations, which may be gone. */
const LOOK_UP_TIMEOUT = 15_000

function requireSink(to: string | undefined, sinks: readonly RedirectTarget[]): void {
  const names = sinks.map(({ name }) => name).filter((name) => name !== REJECTS)
  if (to === undefined || names.includes(to)) return
  throw new SluiceError('USAGE', `the pipeline has no sink "${to}"`, { hint: suggest(to, names, 'sinks') })
}

/** The new destination must work; a store that is away is accepted. */
async function requireConnection(
  sinks: readonly (RedirectTarget & Pick<ObjectTarget, 'key'>)[],
  { moves }: RedirectPlan,
  pipeline: string,
): Promise<void> {
  for (const { name, sink, key } of sinks) {
    if (!moves.some(({ row }) => sinkNameOf(row) === name)) continue
    const folder = fixedFolder(parseKeyTemplate(key), pipeline)
    const error = await tryConnection(sink, folder, new AbortController().signal)
    if (error && !error.retryable) {
      throw new SluiceError(error.code, `the new destination does not work: ${error.message}`, {
        hint: 'nothing was changed: correct the sink in the pipeline file',
      })
    }
  }
}

function describe(plan: RedirectPlan): string[] {
  const lines = groups(plan).map(({ sinks, from, to, objects, records, bytes }) => {
    return `  ${sinks}${from} -> ${to}: ${plural(objects, 'object')}, ${plural(records, 'record')}, ${formatBytes(bytes)}`
  })
  const { published } = plan
  if (published.length > 0)
    lines.push(`  ${plural(published.length, 'object')} already published at the old place: left there`)
  return ['waiting objects will be sent to another place, under the same keys:', ...lines]
}

function summary(plan: RedirectPlan): string {
  const parts = groups(plan).map(({ sinks, from, to, objects, bytes }) => {
    return `${sinks}${plural(objects, 'object')} (${formatBytes(bytes)}) from ${from} to ${to}`
  })
  const { published } = plan
  if (published.length > 0) parts.push(`${plural(published.length, 'object')} found at the old place`)
  return parts.join('; ')
}

interface Group {
  /** `siem to archive: ` if the objects get another sink. */
  readonly sinks: string
  readonly from: string
  readonly to: string
  objects: number
  records: number
  bytes: number
}

function groups({ moves }: RedirectPlan): Group[] {
  const found = new Map<string, Group>()
  for (const { row, was, from, to } of moves) {
    const now = sinkNameOf(row)
    const sinks = was === now ? '' : `${was} to ${now}: `
    const name = JSON.stringify([sinks, from, to])
    const group = found.get(name) ?? { sinks, from, to, objects: 0, records: 0, bytes: 0 }
    group.objects++
    group.records += row.records
    group.bytes += row.bytes
    found.set(name, group)
  }
  return [...found.values()]
}
