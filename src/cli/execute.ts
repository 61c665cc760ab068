import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { hideSecrets, openLog } from '../observe/log.ts'
import { summarize } from '../observe/report.ts'
import { runPipeline, type RunOptions } from '../runtime/run.ts'
import { stopOnSignals } from './signals.ts'

/** Options that `run` and `backfill` share. */
export const executeOptions = {
  state: { type: 'string', default: '.sluice', describe: "Folder of the pipelines' states", requiresArg: true },
  set: { type: 'string', array: true, nargs: 1, describe: 'Override a value of the file: path=value' },
  report: { type: 'string', describe: 'Write what was done as JSON', requiresArg: true },
  json: { type: 'boolean', default: false, describe: 'Log lines as JSON' },
  'fail-on-reject': { type: 'boolean', default: false, describe: 'Exit with 5 when records were rejected' },
} as const satisfies { [name: string]: Options }

export type ExecuteArguments = InferredOptionTypes<typeof executeOptions>

type Job = Pick<RunOptions, 'pipeline' | 'follow' | 'before' | 'replay'>

/** Runs pipelines side by side until all have ended, tells what they did, and throws the first failure. */
export async function execute(jobs: readonly Job[], args: ArgumentsCamelCase<ExecuteArguments>): Promise<void> {
  const secrets = jobs.flatMap(({ pipeline }) => pipeline.secrets)
  const signals = stopOnSignals((signal) => {
    process.stderr.write(`\n${signal}: committing what was read; a second signal stops at once\n`)
  })
  const failures: SluiceError[] = []
  const runJob = async (job: Job) => {
    const prefix = jobs.length > 1 ? `${job.pipeline.name}: ` : ''
    const log = openLog({ json: args.json, prefix, secrets: job.pipeline.secrets })
    const options = { ...job, stateFolder: resolve(args.state), stop: signals.stop, log }
    const { report, error } = await runPipeline(options)
    process.stderr.write(`${args.json ? JSON.stringify(report) : summarize(report)}\n`)
    if (args.report !== undefined)
      await writeReport(reportPath(args.report, job.pipeline, jobs.length), report, secrets)
    if (error) throw error
    if (report.outcome === 'interrupted') throw new SluiceError('INTERRUPTED', 'stopped after a clean commit')
    if (args.failOnReject && report.rejected > 0) {
      throw new SluiceError('REJECTS', `${report.rejected} records were rejected`)
    }
  }
  try {
    await Promise.all(
      jobs.map((job) =>
        runJob(job).catch((error: unknown) => {
          const failure =
            error instanceof SluiceError
              ? hidden(error, secrets)
              : new SluiceError('INTERNAL', String(error), { cause: error })
          failures.push(failure)
          // The others may run for ever, and only the first failure is thrown.
          if (jobs.length > 1 && failure.code !== 'INTERRUPTED')
            process.stderr.write(`${job.pipeline.name}: ${failure.code}: ${failure.message}\n`)
        }),
      ),
    )
  } finally {
    signals.forget()
  }
  if (failures.length > 0) throw failures[0]
}

async function writeReport(path: string, report: object, secrets: readonly string[]): Promise<void> {
  await writeFile(path, hideSecrets(`${JSON.stringify(report, undefined, 2)}\n`, secrets))
}

/** With several pipelines each has a report of its own: `report.json` becomes `report-<pipeline>.json`. */
function reportPath(path: string, pipeline: CheckedPipeline, count: number): string {
  if (count === 1) return path
  const dot = path.lastIndexOf('.')
  return dot > 0 ? `${path.slice(0, dot)}-${pipeline.name}${path.slice(dot)}` : `${path}-${pipeline.name}`
}

function hidden(error: SluiceError, secrets: readonly string[]): SluiceError {
  const message = hideSecrets(error.message, secrets)
  return message === error.message ? error : new SluiceError(error.code, message, { hint: error.hint })
}
