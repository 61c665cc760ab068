import { join, resolve } from 'node:path'
import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import { ControlRequests } from '../../delivery/control/control-requests.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import { flushTraces } from '../../observe/traces/open-traces.ts'
import { openLog } from '../../observe/log.ts'
import { safeJson, say } from '../../observe/output.ts'
import { describeRejects, plural, summarize } from '../../observe/report.ts'
import { scannerInUse } from '../../record/fast-scanner.ts'
import { describeCauses } from '../../runtime/causes.ts'
import { runPipeline, type RunOptions, type RunResult } from '../../runtime/run.ts'
import { logChoice, logOptions, openProcessLog } from '../log-options.ts'
import { takeWarnings } from '../../observe/warnings.ts'
import { jsonLog } from '../process-log.ts'
import { openLiveView } from './live-view.ts'
import { setOption, stateOption } from '../options.ts'
import { answerReloads, reloadBySignal } from './answer-reloads.ts'
import { checkSwap, ReloadableRun } from './reloadable-run.ts'
import { onReloadSignal } from './reload-signal.ts'
import { runOnSchedule } from './schedule.ts'
import type { Schedule } from './schedule.ts'
import { checkReportPath, reportPath, writeReport } from './report-file.ts'
import { showRun } from './show-run.ts'
import { ShownRun } from './shown-run.ts'
import { stopOnSignals } from '../signals.ts'
import type { WatchRun } from '../ui-options.ts'

/** Options of `run`, `backfill` and `rejects replay`. */
export const executeOptions = {
  state: stateOption,
  set: setOption,
  report: { type: 'string', describe: 'Write a JSON report to this file', requiresArg: true },
  ...logOptions,
  plain: { type: 'boolean', default: false, describe: 'No live view on a terminal: log lines, as into a file' },
  'fail-on-reject': { type: 'boolean', default: false, describe: 'Exit with status 5 if records were rejected' },
} as const satisfies { [name: string]: Options }

/** Option of the commands that read a source. */
export function keepGoingOption(byDefault: boolean) {
  return {
    type: 'boolean',
    default: byDefault,
    describe: 'Continue with the next file when one is damaged or cannot be read',
  } as const
}

export type ExecuteArguments = InferredOptionTypes<typeof executeOptions>

interface Job extends Pick<
  RunOptions,
  'pipeline' | 'follow' | 'final' | 'keepGoing' | 'replica' | 'input' | 'clock' | 'exchange'
> {
  /** Loads and checks its files again, for `sluice reload`. Undefined: it cannot be reloaded. */
  readonly load?: () => Promise<CheckedPipeline>
  /** The job that this is one run of. */
  readonly of?: Job
  /** Gets the configuration that was in use at the end of the run. */
  readonly used?: (pipeline: CheckedPipeline) => void
  /** How it is run. Default: `runPipeline`. */
  readonly run?: (options: JobOptions) => Promise<RunResult>
}

interface ExecuteOptions {
  readonly schedule?: Schedule | undefined
  /** Shows each run on a page, see `withUi`. */
  readonly watch?: WatchRun | undefined
}

/** What a job is run with. */
export type JobOptions = RunOptions & { readonly stateFolder: string }

/**
 * Runs pipelines in parallel until all have ended, and reports each result. With a schedule, each is run
 * at its times, until it is stopped.
 * @throws SluiceError the first failure
 */
export async function execute(
  jobs: readonly Job[],
  args: ArgumentsCamelCase<ExecuteArguments>,
  { schedule, watch }: ExecuteOptions = {},
): Promise<void> {
  if (args.report !== undefined) await checkReportPath(args.report)
  const choice = logChoice(args)
  const processLog = await openProcessLog(choice)
  const endWarnings = takeWarnings(processLog.note)
  const signals = stopOnSignals((signal) => {
    const what = 'committing and stopping; send it again to stop immediately'
    if (jsonLog()) processLog.note('run.stopping', { signal, what })
    else say('', `${signal}: ${what}`)
  })
  const failures: SluiceError[] = []
  const view = await openLiveView(jobs, { ...choice, plain: args.plain })
  const prefixOf = (job: Job): string => (jobs.length > 1 ? `${job.pipeline.name}: ` : '')
  const reloads = new Map<Job, () => Promise<void>>()
  const runShown = async (job: Job) => {
    const log = await openLog({ ...choice, prefix: prefixOf(job), live: view !== undefined })
    const shown = new ShownRun(job.pipeline.name, (events) => {
      const hide = showRun(events, log)
      const leave = view?.add(events)
      const unwatch = watch?.(events)
      return () => {
        hide()
        unwatch?.()
        leave?.()
      }
    })
    const run = schedule === undefined ? runJob(job, shown) : runScheduled(schedule, job, shown)
    await run.finally(() => shown.hide())
  }
  const runScheduled = (times: Schedule, job: Job, shown: ShownRun) => {
    let { pipeline } = job
    const loadBetween = async () => {
      const next = (await job.load?.()) ?? pipeline
      await checkSwap(pipeline, next)
      pipeline = next
    }
    const reloadBetween = () => reloads.set(job, () => reloadBySignal({ reload: loadBetween }, shown))
    reloadBetween()
    return runOnSchedule(times, {
      stop: signals.stop,
      note: (...message) => shown.events.note(...message),
      run: async () => {
        shown.next()
        const used = (last: CheckedPipeline) => (pipeline = last)
        await runJob({ ...job, of: job, pipeline, used }, shown).finally(reloadBetween)
      },
    })
  }
  const runJob = async (job: Job, shown: ShownRun) => {
    const prefix = prefixOf(job)
    if ((job.of ?? job) === jobs[0]) reportSlowScanner(shown.events)
    const control = new ControlRequests()
    const options = { ...job, stateFolder: resolve(args.state), stop: signals.stop, events: shown.events, control }
    const run = job.run ?? runPipeline
    const { report, error } = await (job.load === undefined ? run(options) : runReloadable(job, options, shown))
    if (args.json) say(safeJson(report))
    else if (choice.format === 'pretty') say(...summarize(report).split('\n'))
    const unwritten =
      args.report === undefined
        ? undefined
        : await writeReport(reportPath(args.report, job.pipeline, jobs.length), report)
    const many = job.input === undefined ? describeRejects(report) : undefined
    if (many !== undefined) shown.events.note('rejects.many', many)
    if (error && unwritten) say(`${prefix}${unwritten.message}`)
    if (error) throw error
    if (unwritten) throw unwritten
    if (report.outcome === 'interrupted') throw new SluiceError('INTERRUPTED', 'stopped after a clean commit')
    if (args.failOnReject && report.rejected > 0) {
      throw new SluiceError('REJECTS', `${plural(report.rejected, 'record')} rejected`)
    }
  }
  const runReloadable = async (
    job: Job,
    options: JobOptions & { readonly control: ControlRequests },
    shown: ShownRun,
  ) => {
    const { pipeline, stateFolder, control, stop, events } = options
    const { load = () => Promise.resolve(pipeline), run = runPipeline } = job
    const folder = join(stateFolder, pipeline.name)
    const reloadable = new ReloadableRun({
      pipeline,
      folder,
      stop,
      load,
      run: (next, parts) => run({ ...options, pipeline: next, ...parts }),
      events,
      nextEvents: () => shown.next(),
    })
    answerReloads(control, reloadable)
    const key = job.of ?? job
    reloads.set(key, () => reloadBySignal(reloadable, shown))
    return reloadable.run().finally(() => {
      reloads.delete(key)
      job.used?.(reloadable.pipeline)
    })
  }
  const reloadAll = () => {
    for (const reload of reloads.values()) void reload()
  }
  // Other commands end by the signal, as before.
  const forgetReloads = jobs.some(({ load }) => load !== undefined) ? onReloadSignal(reloadAll) : () => {}
  try {
    await Promise.all(
      jobs.map((job) =>
        runShown(job).catch((error: unknown) => {
          const failure = asSluiceError(error, 'INTERNAL', 'this is a bug in Sluice')
          failures.push(failure)
          // Report now: the other pipelines may run forever, and only the first failure is thrown.
          if (jobs.length > 1 && failure.code !== 'INTERRUPTED' && !jsonLog())
            say(
              `${job.pipeline.name}: ${failure.code}: ${failure.message}`,
              ...describeCauses(failure).map((cause) => `  cause: ${cause}`),
            )
        }),
      ),
    )
  } finally {
    view?.close()
    signals.forget()
    forgetReloads()
    endWarnings()
    await flushTraces()
  }
  if (failures.length > 0) throw failures[0]
}

/** Users wonder why one machine is slow: one line in the log answers it. */
function reportSlowScanner({ note }: RunEvents): void {
  const { name, reason = 'unknown' } = scannerInUse()
  if (name === 'typescript') note('scanner.slow', { reason })
}
