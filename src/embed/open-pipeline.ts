import type { Duplex, Readable, Writable } from 'node:stream'
import type { ConnectionCheck } from '../component.ts'
import type { Problem } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import { checkConnections } from '../inspect/connect.ts'
import type { PipelineConnectionCheck } from '../inspect/connect.ts'
import { testPipeline } from '../inspect/test-pipeline.ts'
import type { PipelineTestResult } from '../inspect/test-pipeline.ts'
import { hideInError } from '../observe/hide-in-error.ts'
import type { Report } from '../observe/report.ts'
import type { WriteOptions } from './byte-batches.ts'
import { progressTo } from './callbacks.ts'
import type { Progress } from './callbacks.ts'
import { logTo } from '../runtime/streams/program-log.ts'
import type { PipelineLog } from '../runtime/streams/program-log.ts'
import { RunEvents } from '../observe/bus/run-events.ts'
import { openFile } from './load-part.ts'
import type { OpenOptions, PipelineFile } from './load-part.ts'
import { PartRun } from './part-run.ts'
import { DuplexPart, ReadablePart, WritablePart } from './part-streams.ts'
import type { LoadPart } from './part-streams.ts'

/** Options of everything that moves records. */
export interface PartOptions {
  /**
   * Gets each line of the log: warnings, retries, the first rejects of a stream. Default: no log.
   * Nothing is ever written to the terminal. If it throws, the run ends with that error.
   */
  readonly log?: PipelineLog
}

/** Options of everything that is written to. */
export interface WritePartOptions extends PartOptions, WriteOptions {}

/** Options of everything that reads the source. */
export interface ReadPartOptions extends PartOptions {
  /** Keep polling for more input when everything is read. Default: false. */
  readonly follow?: boolean
  /** Nothing is appended to the input any more, as `--final`. Default: false. */
  readonly final?: boolean
  /** Continue with the next input when one of several inputs is damaged. Default: false. */
  readonly keepGoing?: boolean
}

export interface RunPipelineOptions extends ReadPartOptions {
  /**
   * Asks for a clean end when it aborts: what was read is committed and published, and the outcome of
   * the report is `interrupted`.
   */
  readonly signal?: AbortSignal
  /** Called each second, and once at the end. If it throws, the run ends with that error. */
  readonly onProgress?: (progress: Progress) => void
}

export interface CheckOptions {
  /** Also check credentials, clocks, an API page and each permission in the store. Default: false. */
  readonly connect?: boolean
  /** Ends the checks of connections. */
  readonly signal?: AbortSignal
}

export interface CheckResult {
  /** True if no problem is an error and every connection check that is not optional has passed. */
  readonly ok: boolean
  /** Errors and warnings, in the order of the file. */
  readonly problems: readonly Problem[]
  readonly notes: readonly Problem[]
  /** Empty unless `connect` is set and the file has no errors. */
  readonly connections: readonly PipelineConnectionCheck[]
}

export interface TestResults {
  readonly passed: number
  readonly failed: number
  readonly tests: readonly PipelineTestResult[]
  /** Rules that matched nothing in all tests: their path is probably misspelt. */
  readonly unmatched: readonly { readonly stage: string; readonly rule: string }[]
}

/** A stream of a pipeline that gives NDJSON. */
export interface PipelineReadable extends Readable {
  /**
   * What was read, written, rejected and dropped so far; complete when the stream is closed, also
   * after a failure. Undefined until the pipeline is checked and open.
   */
  report(): Report | undefined
}

/** A stream of a pipeline that takes and gives NDJSON. */
export interface PipelineDuplex extends Duplex {
  /** See `PipelineReadable.report`. */
  report(): Report | undefined
}

/** A stream of a pipeline that takes NDJSON. */
export interface PipelineWritable extends Writable {
  /** See `PipelineReadable.report`. */
  report(): Report | undefined
  /**
   * Commits everything that was written before the call, and resolves when it is published; for a
   * program that never ends, such as a queue consumer. A line counts when its line feed was written.
   * Each call makes an object for each key partition that has new records: collect a few seconds of
   * records first. Records can be written meanwhile. It waits as long as the store is unavailable.
   * @throws SluiceError with the failure of the pipeline, UNSUPPORTED if the sink is a stream
   */
  commit(): Promise<void>
}

/** A pipeline file in a program. Each call reads and checks the file again, and stands for itself. */
export interface OpenedPipeline {
  /**
   * Checks the file, as `sluice check` does: an unset variable is a warning.
   * @throws SluiceError PIPELINE_NOT_FOUND
   */
  check(options?: CheckOptions): Promise<CheckResult>
  /**
   * Runs the tests in the file, as `sluice test` does. A test that fails is a result, not an error.
   * @throws SluiceError CONFIG_INVALID
   */
  test(): Promise<TestResults>
  /**
   * Runs the pipeline, as `sluice run` does, until its source has ended and everything is published.
   * @throws SluiceError if it cannot begin or fails. Everything that was read before the failure is
   *   committed; `reportOf(error)` says what was done.
   */
  run(options?: RunPipelineOptions): Promise<Report>
  /**
   * The source and the transforms, as NDJSON. It reads when it is read, and no faster. There is no
   * state: each stream begins at the start of the source, and deduplicates within itself. Rejects are
   * counted in `report()`. The sink of the file is not used, and may be incomplete.
   */
  readable(options?: ReadPartOptions): PipelineReadable
  /**
   * The transforms, between NDJSON in and NDJSON out; otherwise like `readable`.
   */
  duplex(options?: PartOptions & Pick<WriteOptions, 'format'>): PipelineDuplex
  /**
   * The transforms and the sink, for NDJSON. It finishes when everything is published. Records have no
   * position: after a failure, write again what was written since the last `commit()`, and `dedup`
   * recognises the records that were written before. Destroying the stream gives up what is not
   * committed. The stream owns the state of the pipeline: one at a time. The source of the file is
   * not used, and may be incomplete.
   */
  writable(options?: WritePartOptions): PipelineWritable
}

/**
 * Opens a pipeline file for use in a program, by its name in `pipelines/` or by its path. Nothing
 * else is read or started yet. Several pipelines can run in one process, and in worker threads. No
 * signal is handled and the process is never ended: pass a `signal`.
 * @throws SluiceError PIPELINE_NOT_FOUND, CONFIG_INVALID if the name matches two files, USAGE
 */
export async function openPipeline(nameOrPath: string, options: OpenOptions = {}): Promise<OpenedPipeline> {
  const file = await openFile(nameOrPath, options)
  return {
    check: (checking) => outward(check(file, checking)),
    test: () => outward(test(file)),
    run: (running) => run(file, running),
    readable: (reading) => new ReadablePart(loader(file, ['source', 'transforms'], reading)),
    duplex: (moving) => new DuplexPart(loader(file, ['transforms'], moving), moving),
    writable: (writing) => new WritablePart(loader(file, ['transforms', 'sinks'], writing), writing),
  }
}

/** What a run had done before it failed with this error; undefined if it had not begun. */
export function reportOf(error: unknown): Report | undefined {
  return typeof error === 'object' && error !== null ? reports.get(error) : undefined
}

const reports = new WeakMap<object, Report>()

async function check(file: PipelineFile, { connect = false, signal }: CheckOptions = {}): Promise<CheckResult> {
  const { pipeline, problems, notes } = await file.check({ mode: connect ? 'run' : 'check' })
  const connections: PipelineConnectionCheck[] = []
  if (connect && pipeline) {
    for await (const found of checkConnections(pipeline, signal ?? new AbortController().signal)) {
      connections.push(found.error ? { ...found, error: hideInError(found.error) } : found)
    }
  }
  return { ok: pipeline !== undefined && connections.every(isFine), problems, notes, connections }
}

function isFine({ error, isOptional = false }: ConnectionCheck): boolean {
  return error === undefined || isOptional
}

async function test(file: PipelineFile): Promise<TestResults> {
  const running = testPipeline((testEnv) => file.load({ mode: 'test', ...(testEnv && { testEnv }) }))
  const tests: PipelineTestResult[] = []
  let next = await running.next()
  for (; next.done !== true; next = await running.next()) {
    const { name, file: path, line, differences, mistake } = next.value
    if (mistake) throw mistake
    tests.push({ name, file: path, line, differences })
  }
  const passed = tests.filter(({ differences }) => differences.length === 0).length
  const unmatched = next.value
    .filter(({ matches, searches }) => matches === 0 && !searches)
    .map(({ stage, rule }) => ({ stage, rule }))
  return { passed, failed: tests.length - passed, tests, unmatched }
}

async function run(file: PipelineFile, options: RunPipelineOptions = {}): Promise<Report> {
  const { signal } = options
  const load = loader(file, undefined, options)
  const running = new PartRun((fail) => load(fail, () => ({ ...(signal && { stop: signal }) })))
  const failure = await running.ended
  const report = running.report()
  // The reader of stdout wanted no more.
  if (report !== undefined && (failure === undefined || failure.code === 'SINK_CLOSED')) return report
  const error = failure ?? asSluiceError(undefined, 'INTERNAL', 'the run has no report')
  if (report !== undefined) reports.set(error, report)
  throw error
}

/** Loads a part of a pipeline file, with the options of its run. */
function loader(
  file: PipelineFile,
  parts: readonly ('source' | 'transforms' | 'sinks')[] | undefined,
  { log, onProgress, follow = false, final, keepGoing }: RunPipelineOptions = {},
): LoadPart {
  return async (fail, complete) => {
    const events = new RunEvents(file.name)
    const stops = [
      ...(log ? [logTo(log, events, fail)] : []),
      ...(onProgress ? [progressTo(onProgress, events, fail)] : []),
    ]
    const ended = (): void => {
      for (const stop of stops) stop()
    }
    try {
      const pipeline = await file.load({ mode: 'run', ...(parts && { parts }) }, events.note)
      return {
        pipeline,
        stateFolder: file.stateFolder,
        follow,
        final,
        keepGoing,
        stop: new AbortController().signal,
        events,
        ended,
        ...complete(pipeline),
      }
    } catch (error) {
      ended()
      throw error
    }
  }
}

async function outward<Value>(operation: Promise<Value>): Promise<Value> {
  try {
    return await operation
  } catch (error) {
    throw hideInError(asSluiceError(error, 'INTERNAL', 'this is a bug in Sluice'))
  }
}
