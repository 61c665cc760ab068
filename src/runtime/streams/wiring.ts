import type { Readable, Writable } from 'node:stream'
import type { SinkDeclaration, SourceDeclaration, TransformDeclaration } from '../../component.ts'
import type { CheckedComponent, CheckedPipeline } from '../../config/pipeline.ts'
import type { WrittenComponent } from '../../config/written.ts'
import type { SluiceError } from '../../errors.ts'
import type { ExchangeLayer } from '../../network/exchange.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import type { Paths } from '../../record/paths/path.ts'
import type { Report } from '../../observe/report.ts'
import type { Batch, End } from '../../record/batch.ts'
import type { ControlRequests } from '../../delivery/control/control-requests.ts'
import type { Clock } from '../../clock.ts'
import type { RunningReplica } from '../../delivery/replicas/check-replica.ts'
import type { Intake } from '../intake.ts'
import type { OpenDelivery } from '../open-delivery.ts'
import type { RunInput } from '../run-input.ts'
import type { SharedTransforms, Stage } from '../transform-stages.ts'
import type { PipelineLog } from './program-log.ts'

/** A component of a stream: as a program wrote it, or checked before. */
export type Part<Declared> = WrittenComponent | CheckedComponent<Declared>

/** True for a component that is not checked yet. */
export function isWritten<Declared>(part: Part<Declared>): part is WrittenComponent {
  return !('declaration' in part)
}

export type SourcePart = Part<SourceDeclaration>
export type TransformPart = Part<TransformDeclaration>
type SinkPart = Part<SinkDeclaration>

/** The sink of a pipeline, and what belongs to it. */
export interface SinkSettings {
  readonly part: SinkPart
  /** The pipeline's own state folder, as it is written. Required for an object sink. */
  readonly state: unknown
  /** The dead-letter queue, as it is written. A pipeline that was checked before has its own. */
  readonly rejects: unknown
}

/** A pipeline that is checked and open. */
export interface OpenPipeline {
  /** Creates the transforms; call it once. @throws SluiceError COMPONENT_LOAD_FAILED */
  createStages(): Promise<void>
  /** Empty until they are created. */
  readonly stages: readonly Stage[]
  /** How the source has ended; undefined until its last batch has reached the sink. */
  end: End | undefined
  isBatch(chunk: unknown): chunk is Batch
  /** The delivery's stream; call it once. */
  writable(): Writable
  /** Opens the input; call it once. The last batch carries its end. */
  read(stop: AbortSignal): Promise<AsyncIterable<Batch>>
  /** Why the run is a failure although everything was delivered, or null. */
  failure(): SluiceError | null
  /** Closes all that is open. Returns the failure of the run: the given one, or that of a component. */
  close(reason: Error | null): Promise<Error | null>
  report(): Report
}

/** What concerns a whole pipeline. The source brings it, since every pipeline has one source. */
export interface RunSettings {
  /** The pipeline, if it was checked before. Otherwise the sink puts it together and checks it. */
  readonly pipeline?: CheckedPipeline | undefined
  /** Where the batches come from. Default: the pipeline's source. */
  readonly input?: RunInput | undefined
  /** Opens where the batches go. Default: the pipeline's sink, with its state. */
  readonly openDelivery?: OpenDelivery | undefined
  /** Transforms that this run has in common with earlier ones. Default: it makes all of them. */
  readonly shared?: SharedTransforms | undefined
  /** False: custom transforms with `parallel` run in this thread. Default: true. */
  readonly threads?: boolean | undefined
  /** The replica that the process is. Default: it collects all tenants. */
  readonly replica?: RunningReplica | undefined
  /** As they are written. */
  readonly limits?: unknown
  readonly allowRepeats?: boolean | undefined
  /** Absolute path. */
  readonly folder: string
  readonly follow: boolean
  readonly final: boolean
  readonly keepGoing: boolean
  /** Asks for a clean end: what was read is committed and published. */
  readonly stop: AbortSignal
  /** What the run publishes. Its pipeline gets its name when it is checked. */
  readonly events: RunEvents
  /** What the process answers while it owns the state; the run adds its commands. Default: those only. */
  readonly control?: ControlRequests | undefined
  /** Counts what is read. Default: one of its own. */
  readonly intake?: Intake | undefined
  /** The time that the source plans and waits by, and that dates commits. Default: the system's. */
  readonly clock?: Clock | undefined
  /** What stands between the source and the network. Default: nothing. */
  readonly exchange?: ExchangeLayer | undefined
  /** Gets each line of the log. If it throws, the pipeline fails. */
  readonly log?: PipelineLog | undefined
  /** Called when the pipeline begins to close. */
  readonly closing?: (() => void) | undefined
}

/**
 * What the streams of one pipeline share. A stream does not know its neighbours when it is made, and
 * streams of the program may stand between: so the wiring travels through the pipeline, in the
 * opening batch, which has no records and is the first chunk of every source. Each transform adds
 * itself to the wiring when it sees that batch. The sink then knows the whole pipeline: it checks
 * it, opens the delivery and creates the transforms. Only then the source begins to read.
 */
export class Wiring {
  readonly settings: RunSettings
  readonly paths: Paths
  readonly intake: Intake
  readonly source: SourcePart
  readonly transforms: TransformPart[] = []
  /** False if a stream of the program stands between two of ours, or may keep batches. */
  isDirect = true
  /** The sink has begun to close the pipeline. */
  isClosing = false
  /** The first failure of a stream. */
  failure: Error | undefined
  /** Resolves when the pipeline is open. Rejects if it could not be opened. */
  readonly opened: Promise<OpenPipeline>
  /** Resolves when the opening batch has reached the sink. */
  readonly arrived: Promise<void>
  /** Resolves when the sink has closed the pipeline. */
  readonly closed: Promise<void>
  readonly #streams = new Map<Readable | Writable, number>()
  #state: 'travelling' | 'arrived' | 'open' = 'travelling'
  #run: OpenPipeline | undefined
  #resolveOpened: (run: OpenPipeline) => void = () => undefined
  #rejectOpened: (error: Error) => void = () => undefined
  #resolveArrived: () => void = () => undefined
  #resolveClosed: () => void = () => undefined

  constructor({ settings, paths, intake, source }: Pick<Wiring, 'settings' | 'paths' | 'intake' | 'source'>) {
    this.settings = settings
    this.paths = paths
    this.intake = intake
    this.source = source
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.arrived = new Promise((resolve) => (this.#resolveArrived = resolve))
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve
      this.#rejectOpened = reject
    })
    // The source may be gone, and nobody waits any more.
    this.opened.catch(() => undefined)
  }

  /** False until the opening batch has reached the sink, which then closes the pipeline. */
  get hasArrived(): boolean {
    return this.#state !== 'travelling'
  }

  /** The open pipeline; undefined before. */
  get run(): OpenPipeline | undefined {
    return this.#run
  }

  /** Adds a transform, in the order of the stream. Returns its number. */
  addTransform(part: TransformPart, from: Readable | undefined): number {
    this.#observe(from)
    this.transforms.push(part)
    return this.transforms.length - 1
  }

  /** The opening batch has reached a sink. False if it has reached one before. */
  arrive(from: Readable | undefined): boolean {
    if (this.#state !== 'travelling') return false
    this.#observe(from)
    this.#state = 'arrived'
    this.#resolveArrived()
    return true
  }

  open(run: OpenPipeline): void {
    this.#state = 'open'
    this.#run = run
    this.#resolveOpened(run)
  }

  fail(error: SluiceError): void {
    this.#rejectOpened(error)
  }

  /** Fails a pipeline that leads into a stream of another one. Returns the error for both. */
  refuse(error: SluiceError): SluiceError {
    this.fail(error)
    return error
  }

  /**
   * A stream of the pipeline has failed. The others are destroyed too: after `.pipe()`, nobody else would
   * do it. Resolves when the sink has closed the pipeline: `pipeline` rejects when its streams have
   * reported the failure, and its caller may run it again at once.
   */
  async abandon(reason: Error): Promise<void> {
    this.failure ??= reason
    for (const [stream, pipes] of this.#streams) {
      // Without a listener, besides that of each `.pipe()`, an error would end the process.
      if (!stream.destroyed) stream.destroy(stream.listenerCount('error') > pipes ? reason : undefined)
    }
    if (this.#state !== 'travelling') await this.closed
  }

  /** The sink has closed the pipeline. */
  close(): void {
    this.#resolveClosed()
  }

  /** Adds a stream that ends with the pipeline. `from` is piped into it. */
  join(stream: Readable | Writable, from: Readable | undefined): void {
    this.#streams.set(stream, from === undefined ? 0 : 1)
  }

  /** A stream that is ours and has one reader hands its batches on, and keeps none. */
  #observe(from: Readable | undefined): void {
    const isOurs = from !== undefined && isStage(from)
    if (!isOurs || from.listenerCount('data') !== 1 || from.listenerCount('readable') > 0) this.isDirect = false
  }
}

const stages = new WeakSet<object>()

/** Notes that a stream is made by us. */
export function registerStage(stream: object): void {
  stages.add(stream)
}

function isStage(stream: object): boolean {
  return stages.has(stream)
}

const openings = new WeakMap<object, Wiring>()

/** Makes a batch the opening batch of a wiring. */
export function setWiring(batch: object, wiring: Wiring): void {
  openings.set(batch, wiring)
}

/** The wiring that a chunk brings; undefined if it is not an opening batch. */
export function wiringIn(chunk: unknown): Wiring | undefined {
  return typeof chunk === 'object' && chunk !== null ? openings.get(chunk) : undefined
}
