import type { CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { ExchangeLayer } from '../../network/exchange.ts'
import { RunEvents } from '../../observe/bus/run-events.ts'
import { listenLines } from '../../observe/log-lines.ts'
import type { Line } from '../../observe/messages/line.ts'
import type { Batch } from '../../record/batch.ts'
import { emptyBatch } from '../../record/open-batches.ts'
import { describeCauses } from '../../runtime/causes.ts'
import { runPipeline } from '../../runtime/run.ts'
import type { RunInput } from '../../runtime/run-input.ts'
import { sourceInput } from '../../runtime/source-input.ts'
import type { StageRule } from '../../runtime/transform-stages.ts'
import type { DamagedInput, Report } from '../../observe/report.ts'
import { PageServer } from './page-server.ts'
import { withInput } from './stand-in-source.ts'
import { withStandIns } from './stand-ins.ts'
import type { TestFolders } from './stand-ins.ts'
import { turns, VirtualClock } from './virtual-clock.ts'

export interface AttemptOptions {
  readonly pipeline: CheckedPipeline
  readonly test: PipelineTest
  readonly folders: TestFolders
  /** Unix time in milliseconds at which the process begins. */
  readonly startAt: number
  /** How often each page was requested by earlier processes. */
  readonly served: readonly number[]
  /** Where to interrupt the run. */
  readonly halt?: Halt | undefined
  /**
   * Called when everything before the interruption is committed. Default: the run is asked to stop,
   * which only pages are.
   */
  halted?(progress: AttemptProgress): Promise<void>
}

interface Halt {
  /** A page, file, object or record, from 1. */
  readonly page: number
  readonly isInside: boolean
}

export interface AttemptProgress {
  /** How often each page was requested, by all processes so far. */
  readonly served: readonly number[]
  /** Names of the inputs whose records were read, in their order. */
  readonly inputs: readonly string[]
}

export interface AttemptResult extends AttemptProgress {
  /** False if the run came to its own end before the place of the interruption. */
  readonly isHalted: boolean
  readonly error?: {
    readonly code: string
    readonly message: string
    readonly hint?: string
    readonly causes: readonly string[]
  }
  /** A request that no page fits. */
  readonly problem: string | undefined
  /** Of this run; undefined if it could not begin. */
  readonly counts: Pick<Report, 'read' | 'added' | 'written' | 'duplicate' | 'rejected' | 'dropped'> | undefined
  /** The lines that a stream sink got. */
  readonly lines: Buffer
  readonly rules: readonly StageRule[]
  /** The log, for the output of a failed test. */
  readonly log: readonly string[]
}

/** Runs the pipeline of a test once, from the state that an earlier process has left. */
export async function runAttempt(options: AttemptOptions): Promise<AttemptResult> {
  const { test, folders, served, halt } = options
  const clock = new VirtualClock(options.startAt)
  const stop = new AbortController()
  const reached = new Gate()
  const server = new PageServer({
    test,
    served,
    clock,
    halt: test.pages && halt,
    halted: () => reached.open(),
    unexpected: () => stop.abort(new Error('a request has no page')),
  })
  const lines: Buffer[] = []
  const source = withInput(options.pipeline.source, {
    test,
    clock,
    folder: folders.input,
    halt,
    halted: () => reached.open(),
  })
  const pipeline = withStandIns(options.pipeline, folders, { source, capture: (bytes) => lines.push(bytes) })
  const log: string[] = []
  const events = new RunEvents(pipeline.name)
  const stopLog = listenLines(events, 'info', (line) => keep(line, log))
  const layer = test.pages ? await openLayer(await server.listen()) : refuseRequests()
  let isHalted = false
  const inputs = new Set<string>()
  const isBetween = halt?.isInside === false && (test.files !== undefined || test.objects !== undefined)
  const halted = async (): Promise<void> => {
    isHalted = true
    await options.halted?.({ served: server.served, inputs: [...inputs] })
    stop.abort(new Error('the run is stopped'))
  }
  try {
    const damaged: DamagedInput[] = []
    const own = sourceInput(
      pipeline,
      { follow: false, final: false, keepGoing: false, events, clock, exchange: layer.exchange },
      damaged,
    )
    const { report, error } = await runPipeline({
      pipeline,
      stateFolder: folders.state,
      follow: false,
      input: interruptible(own, { reached, halted, inputs, after: isBetween ? halt.page : undefined }),
      stop: stop.signal,
      events,
    }).catch((thrown: unknown) => ({ report: undefined, error: asSluiceError(thrown, 'INTERNAL', 'the run failed') }))
    return {
      isHalted,
      served: server.served,
      inputs: [...inputs],
      problem: server.problem,
      counts: report,
      lines: Buffer.concat(lines),
      rules: report?.rules ?? [],
      log,
      ...(error && { error: describe(error) }),
    }
  } finally {
    stopLog()
    await layer.close()
    if (test.pages) await server.close()
  }
}

function describe(error: SluiceError): NonNullable<AttemptResult['error']> {
  const { code, message, hint } = error
  return { code, message, ...(hint !== undefined && { hint }), causes: describeCauses(error) }
}

interface Layer {
  readonly exchange: ExchangeLayer
  close(): Promise<void>
}

/** Whatever host a request is for: it goes to the server of the test. */
async function openLayer(port: number): Promise<Layer> {
  const { Agent } = await import('undici')
  const agent = new Agent({ connections: 32 })
  return {
    exchange: () => (request) =>
      agent.request({
        ...request,
        origin: `http://127.0.0.1:${port}`,
        headers: { ...request.headers, host: new URL(request.origin).host },
      }),
    close: () => agent.destroy(),
  }
}

/** A test without pages has no network either. */
function refuseRequests(): Layer {
  return {
    exchange: () => (request) =>
      Promise.reject(
        new SluiceError('CONFIG_INVALID', `the test has no pages, but the source requests ${request.origin}`, {
          hint: 'give the test pages for it, in place of its other input',
        }),
      ),
    close: async () => {},
  }
}

function keep({ code, message, facts }: Line, lines: string[]): void {
  if (NOT_SHOWN.has(code)) return
  lines.push([message, ...Object.entries(facts).map(([name, value]) => `${name}=${value}`)].join(' '))
}

/** The result of the test says it, or nothing of a test depends on it. */
const NOT_SHOWN: ReadonlySet<string> = new Set([
  'rule.unmatched',
  'run.started',
  'run.ended',
  'run.failed',
  'object.published',
])

interface Interruption {
  /** Opens when the run has come to the place. */
  readonly reached: Gate
  halted(): Promise<void>
  /** Filled with the names of the inputs that are read. */
  readonly inputs: Set<string>
  /** The place is after so many inputs, such as files. */
  readonly after: number | undefined
}

/**
 * Commits everything that was read when the place of an interruption is reached, and then calls
 * `halted`. So a test is interrupted at the same place each time.
 */
function interruptible(own: RunInput, interruption: Interruption): RunInput {
  const { reached, inputs, after } = interruption
  return {
    ...own,
    async open(options) {
      const { batches, extent } = await own.open(options)
      const commit = (committed: () => void): Batch => {
        const batch = emptyBatch(options)
        batch.commit = { committed, refused: committed }
        return batch
      }
      async function* read(): AsyncGenerator<Batch, void> {
        const iterator = batches[Symbol.asyncIterator]()
        let next = iterator.next()
        while (true) {
          const batch = await Promise.race([next, reached.wait(QUIET_TURNS)])
          const isEnd = batch !== undefined && (batch.done === true || batch.value.end !== undefined)
          const name = isEnd || batch === undefined || batch.value.count === 0 ? undefined : batch.value.origin.name
          const isNext = name !== undefined && after !== undefined && inputs.size >= after && !inputs.has(name)
          if (batch === undefined || isNext) {
            const committed = new Gate()
            yield commit(() => committed.open())
            await committed.wait(0)
            await interruption.halted()
            reached.close()
            if (isNext) return
            continue
          }
          if (batch.done === true) return
          if (name !== undefined) inputs.add(name)
          yield batch.value
          next = iterator.next()
        }
      }
      return { batches: read(), extent }
    },
  }
}

/** Whoever waits is woken when it opens. */
class Gate {
  #resolve: () => void = () => {}
  readonly #opened = new Promise<void>((resolve) => (this.#resolve = resolve))
  #isClosed = false

  open(): void {
    this.#resolve()
  }

  /** Nobody has to wait any more. */
  close(): void {
    this.#isClosed = true
  }

  /**
   * Resolves some turns of the event loop after it was opened; never once it is closed.
   */
  async wait(afterwards: number): Promise<undefined> {
    await this.#opened
    await turns(afterwards)
    if (this.#isClosed) await new Promise(() => {})
    return undefined
  }
}

/** Turns of the event loop after which a source that waits is at rest: what it has received has come out of it. */
const QUIET_TURNS = 20
