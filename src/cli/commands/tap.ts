import { askOwner } from '../../delivery/control/ask-owner.ts'
import { hasState } from '../../delivery/state/state-reader.ts'
import { SluiceError } from '../../errors.ts'
import { say, writeRecord } from '../../observe/output.ts'
import { formatCount, plural } from '../../observe/report.ts'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import type { CommandDefinition } from '../command.ts'
import { pipelineArgument, stateOption } from '../options.ts'
import { stateFolder } from '../state-folder.ts'

interface TapArguments {
  pipeline: string
  stage: string | undefined
  before: boolean
  where: string | undefined
  limit: number | undefined
  unredacted: boolean
  state: string
}

export const command: CommandDefinition<TapArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('stage', {
        type: 'string',
        requiresArg: true,
        describe: 'Show records after this transform; default: the last one',
      })
      .option('before', { type: 'boolean', default: false, describe: 'Show records before the transform' })
      .option('where', {
        type: 'string',
        requiresArg: true,
        describe: 'Only records for which this CEL expression is true',
      })
      .option('limit', { type: 'number', requiresArg: true, describe: 'End after this many records' })
      .option('unredacted', {
        type: 'boolean',
        default: false,
        describe: 'Also show records that are not redacted yet',
      })
      .option('state', stateOption)
      .example('$0 tap jumpcloud --limit 5', 'five records as the sink gets them')
      .example(`$0 tap jumpcloud --stage redact --where 'record.success == false'`, 'failed sign-ins, as they pass'),
  handler: tap,
}

async function tap({ pipeline, stage, before, where, limit, unredacted, state }: TapArguments): Promise<void> {
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw new SluiceError('USAGE', `--limit ${limit} is not a number of records`, {
      hint: 'give a whole number above 0',
    })
  const folder = stateFolder(pipeline, state)
  if (!hasState(folder))
    throw new SluiceError('STATE_NOT_FOUND', `${folder} has no state, so no run can be tapped there`, {
      hint: 'a run that writes to stdout has no state; `sluice preview` needs no run',
    })
  const leaving = new AbortController()
  const leave = (): void => leaving.abort()
  process.on('SIGINT', leave).on('SIGTERM', leave)
  process.stdout.on('close', leave)
  const seen = { shown: 0, looked: 0, skipped: 0, failed: 0, fault: '', lost: 0 }
  try {
    const request = {
      command: 'tap',
      before,
      unredacted,
      ...(stage !== undefined && { stage }),
      ...(where !== undefined && { where }),
      ...(limit !== undefined && { limit }),
    }
    for await (const answer of askOwner(request, { folder, pipeline, signal: leaving.signal })) {
      if (answer.kind === 'dropped') seen.lost += answer.messages
      if (answer.kind !== 'data') continue
      const { records, ...counts } = partOf(answer.data)
      Object.assign(seen, counts)
      for (const record of records) {
        await writeRecord(record)
        seen.shown++
      }
    }
  } finally {
    process.off('SIGINT', leave).off('SIGTERM', leave)
    process.stdout.off('close', leave)
  }
  if (seen.failed > 0) say(`--where has no result for ${plural(seen.failed, 'record')}: ${seen.fault}`)
  const lost = seen.lost > 0 ? `; ${plural(seen.lost, 'part')} lost, because this reader was too slow` : ''
  say(
    `${seen.shown < (limit ?? Infinity) && !leaving.signal.aborted ? 'the run has ended; ' : ''}${formatCount(seen.shown)} shown, looked at ${formatCount(seen.looked)} of ${plural(seen.looked + seen.skipped, 'record')} that passed${lost}`,
  )
}

/** What a part of the answer says; the counts are those so far. */
function partOf(data: Json) {
  const { records, looked, skipped, failed, fault } = isObject(data) ? data : {}
  return {
    records: isList(records) ? records.filter((record) => typeof record === 'string') : [],
    looked: typeof looked === 'number' ? looked : 0,
    skipped: typeof skipped === 'number' ? skipped : 0,
    failed: typeof failed === 'number' ? failed : 0,
    fault: typeof fault === 'string' ? fault : '',
  }
}
