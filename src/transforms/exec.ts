import { defineTransform } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { Choice, Duration } from '../fields/fields.ts'
import { Type } from '../fields/typebox.ts'
import type { Batch } from '../record/batch.ts'
import { Answers, applyAny, applyOne, garbage, linesFor } from './exec/answers.ts'
import type { Sent } from './exec/answers.ts'
import { findingsOf } from './exec/findings.ts'
import { Messages } from './exec/messages.ts'
import { hashProgram } from './exec/program-files.ts'
import { nameOf, ProgramProcess } from './exec/program-process.ts'
import type { Ending, ProcessOptions } from './exec/program-process.ts'

/**
 * Runs the live records of a batch through a program, as NDJSON on its stdin and stdout. The batch waits
 * until it is answered as a whole, so a program that dies takes nothing with it: the batch is not
 * committed. Rejected records stay as they are.
 */
export default defineTransform({
  type: 'exec',
  summary: 'Runs records through a program that reads and writes NDJSON.',
  fields: {
    command: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description:
        'The program and its arguments, without a shell. A program with a slash in it is a file, relative to the pipeline file; another one is looked for in PATH. It runs in the folder of the pipeline file.',
    }),
    process: Choice(['batch', 'run'], {
      default: 'batch',
      description:
        '`batch` starts the program for each batch (about 512 KiB of records), writes the batch and closes its stdin. `run` starts it once for the whole run; it must then answer each record without waiting for the next one.',
    }),
    lines: Choice(['one', 'any'], {
      default: 'one',
      description:
        '`one`: line n of its stdout answers record n; `null` or an empty line drops the record. `any`: it writes the records that shall remain, and new ones; needs `process: batch`, and `dedup` after it.',
    }),
    env: Type.Record(Type.String(), Type.String(), {
      default: {},
      description:
        'Environment variables of the program. Of our own it gets only PATH, HOME, LANG, LC_ALL, LC_CTYPE, TZ and TMPDIR.',
    }),
    successStatus: Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), {
      default: [0],
      minItems: 1,
      description: 'Exit statuses that are no failure. grep ends with 1 if no record of a batch matches: [0, 1].',
    }),
    timeout: Duration({
      default: '60s',
      description:
        'How long the program may neither read nor write while records wait. Then it is killed, and the run fails with PROGRAM_FAILED.',
    }),
  },
  examples: [
    { title: 'A jq program', config: { command: ['jq', '-c', '.user = (.email | split("@")[0])'] } },
    {
      title: 'A filter',
      config: { command: ['grep', '-v', '"heartbeat"'], lines: 'any', successStatus: [0, 1] },
    },
    {
      title: 'A program that is slow to start, with a secret',
      config: {
        command: ['python3', '-u', 'enrich.py'],
        process: 'run',
        env: { CMDB_TOKEN: '${env:CMDB_TOKEN}' },
        timeout: '5m',
      },
    },
  ],
  check: (config, context) => findingsOf(config, context),
  code({ command, lines }, { folder }) {
    return { sha256: hashProgram(command, folder), options: { lines } }
  },
  reusesBuffers: true,
  create(config, { stage, folder, signal, note }) {
    const { command, timeout, lines } = config
    const messages = new Messages({ stage }, note)
    let running: ProgramProcess | undefined
    signal?.addEventListener('abort', () => void running?.kill(signal.reason).catch(() => undefined), { once: true })

    const open = ({ limits }: Batch): ProgramProcess => {
      const options: ProcessOptions = {
        stage,
        command,
        folder,
        env: { ...inherited(), ...config.env },
        timeout,
        longest: limits.maxLine + 1,
        messages,
      }
      return (running ??= new ProgramProcess(options))
    }

    const answer = async (sent: Sent): Promise<Answers> => {
      const { batch, records } = sent
      const answers = new Answers(batch)
      const isLast = config.process === 'batch'
      const most = MOST_OUTPUT + 2 * batch.limits.maxLine
      const ending = await open(batch).exchange(sent.bytes, {
        receive(line, length) {
          if (lines === 'one' && answers.lines.length === records.length) throw tooMany(stage, records.length)
          answers.add(line, length)
          if (answers.bytes > most) throw tooMuch(stage, most)
        },
        isComplete: () => !isLast && answers.lines.length === records.length,
        isLast,
      })
      if (isLast) running = undefined
      if (ending !== undefined) checkEnding(ending, answers, sent, config, stage)
      // Which record is answered is known by its number only: after a line of another kind none is sure.
      const fault = isLast ? undefined : firstFault(answers)
      if (fault !== undefined) throw garbage(stage, ...fault)
      return answers
    }

    return {
      isUntied: lines === 'any',
      rebuilds: true,
      async batch(batch) {
        const sent = linesFor(batch)
        if (sent.records.length === 0) return undefined
        signal?.throwIfAborted()
        try {
          const answers = await answer(sent)
          return lines === 'any' ? applyAny(sent, answers, stage) : applyOne(sent, answers, stage)
        } catch (error) {
          await running?.kill(error)
          messages.logLast()
          throw error
        }
      },
      async close() {
        const ending = signal?.aborted === true ? await running?.kill(signal.reason) : await running?.close(GRACE)
        if (ending && ending.status !== null && !config.successStatus.includes(ending.status)) {
          note?.('exec.status', { stage, program: nameOf(command), status: ending.status })
        }
      },
    }
  },
})

/** Variables that the program gets besides its own: none holds a secret. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR']

function inherited(): { [name: string]: string } {
  const values: { [name: string]: string } = {}
  for (const name of INHERITED) {
    const value = process.env[name]
    if (value !== undefined) values[name] = value
  }
  return values
}

/** Bytes that a program may write for one batch, besides two records of the largest size. */
const MOST_OUTPUT = 64 << 20
/** Milliseconds that a program has to end when its input is closed at the end of a run. */
const GRACE = 5000

function checkEnding(
  { status, signal, hasReadAll }: Ending,
  answers: Answers,
  { records }: Sent,
  { command, lines, successStatus }: { command: string[]; lines: string; successStatus: number[] },
  stage: string,
): void {
  const program = nameOf(command)
  const count = `${answers.lines.length} lines for ${records.length} records`
  if (status === null || !successStatus.includes(status)) {
    const how = status === null ? `was killed by ${signal}` : `ended with status ${status}`
    throw new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${program} ${how} after ${count}`, {
      hint:
        status === 1 && answers.lines.length === 0 && lines === 'any'
          ? 'a filter such as grep ends with 1 if nothing matches: set successStatus: [0, 1]'
          : 'the log has what it wrote to stderr; nothing of the batch is committed, and the next run reads it again',
    })
  }
  if (!hasReadAll) {
    throw new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${program} ended without reading all of its input`, {
      hint: 'records that it has not read would be lost: it must read to the end of its stdin',
    })
  }
  if (lines === 'one' && answers.lines.length < records.length) {
    throw new SluiceError('PROGRAM_FAILED', `stage ${stage}: ${program} wrote ${count}`, {
      hint: 'it must write one line for each record, `null` to drop it; for a program that removes or adds records set lines: any',
    })
  }
}

function firstFault(answers: Answers): [at: number, fault: string] | undefined {
  for (let at = 0; at < answers.lines.length; at++) {
    const fault = answers.isDrop(at) ? undefined : answers.faultOf(at)
    if (fault !== undefined) return [at, fault]
  }
  return undefined
}

function tooMany(stage: string, records: number): SluiceError {
  return new SluiceError(
    'PROGRAM_FAILED',
    `stage ${stage}: the program wrote more than ${records} lines for as many records`,
    {
      hint: 'it must write one line for each record, and nothing else to stdout; for a program that adds records set lines: any',
    },
  )
}

function tooMuch(stage: string, most: number): SluiceError {
  return new SluiceError(
    'PROGRAM_FAILED',
    `stage ${stage}: the program wrote more than ${most >> 20} MiB for one batch`,
    {
      hint: 'a batch has about 512 KiB: look for a loop that does not end',
    },
  )
}
