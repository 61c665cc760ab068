import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import type { FunctionTransform, TransformDeclaration } from '../../component.ts'
import { loadComponent } from '../../config/load-component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { openBatches } from '../../record/open-batches.ts'
import { Paths } from '../../record/paths/path.ts'
import type { ScanLimits } from '../../record/scan.ts'
import { awaitComponent } from '../await-component.ts'
import { callFunction, flush } from '../custom-stage.ts'
import type { BatchOutcome, FunctionStage, RecordOutcome } from '../custom-stage.ts'
import { sentError } from '../sent-error.ts'
import type { SentError } from '../sent-error.ts'
import { buffersOf, writeOutcome } from './outcome-message.ts'
import type { OutcomeMessage } from './outcome-message.ts'
import { takeWarnings } from '../../observe/warnings.ts'

/** What each thread gets when it starts. */
export interface TransformThreadData extends FunctionStage {
  /** As in the pipeline file. */
  readonly type: string
  /** Checked. */
  readonly config: { readonly [key: string]: unknown }
  readonly pipeline: string
  readonly folder: string
  readonly root: string
  readonly hashKey: Uint8Array | undefined
  readonly isRedacted: true | undefined
}

/** To a thread, which handles them one after the other. */
export type ThreadRequest =
  { readonly kind: 'batch'; readonly lines: Uint8Array; readonly limits: ScanLimits } | { readonly kind: 'close' }

/** From a thread: `done` and `failed` answer the request, or the start. */
export type ThreadReport =
  | { readonly kind: 'done'; readonly outcome?: OutcomeMessage }
  | { readonly kind: 'failed'; readonly error: SentError }
  | {
      readonly kind: 'note'
      readonly message: string
      readonly facts: { readonly [name: string]: string | number | boolean | undefined } | undefined
    }

const data: TransformThreadData = workerData
const paths = new Paths()

function send(report: ThreadReport, handedOver: ArrayBuffer[] = []): void {
  parentPort?.postMessage(report, handedOver)
}

/** While something is done, nothing else keeps the thread: then a promise that nobody resolves is noticed. */
async function answer(what: string, work: () => Promise<OutcomeMessage | void>): Promise<void> {
  parentPort?.unref()
  try {
    const outcome = await awaitComponent(what, work())
    if (outcome) send({ kind: 'done', outcome }, buffersOf(outcome))
    else send({ kind: 'done' })
  } catch (error) {
    send({ kind: 'failed', error: sentError(asSluiceError(error, 'TRANSFORM_FAILED', `${what} failed`)) })
  } finally {
    parentPort?.ref()
  }
}

let transform: FunctionTransform | undefined

async function open(): Promise<void> {
  takeWarnings((...[code, facts]) => send({ kind: 'note', message: code, facts }))
  const { type, config, pipeline, stage, folder, root, hashKey, isRedacted } = data
  const declaration = await loadComponent(type, 'transform', { file: join(folder, 'pipeline'), root })
  if (declaration.kind !== 'transform') throw new SluiceError('INTERNAL', `${type} is not a transform`)
  transform = asFunction(
    await create(declaration, config, {
      pipeline,
      stage,
      folder,
      paths,
      path: (text) => paths.add(text),
      note: (message, facts) => send({ kind: 'note', message, facts }),
      ...(hashKey && { hashKey: Buffer.from(hashKey) }),
      ...(isRedacted && { isRedacted }),
    }),
    stage,
  )
}

async function create(
  declaration: TransformDeclaration,
  ...[config, context]: Parameters<TransformDeclaration['create']>
): Promise<Awaited<ReturnType<TransformDeclaration['create']>>> {
  try {
    return await declaration.create(config, context)
  } catch (error) {
    throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `transform ${context.stage} could not be created`)
  }
}

function asFunction(made: Awaited<ReturnType<TransformDeclaration['create']>>, stage: string): FunctionTransform {
  if (typeof made === 'function') return { transform: made }
  if ('transform' in made) return made
  throw new SluiceError('CONFIG_INVALID', `transform ${stage} is not a function: it cannot be parallel`, {
    hint: 'leave out parallel, or return a function from create',
  })
}

async function run(made: FunctionTransform, lines: Uint8Array, limits: ScanLimits): Promise<OutcomeMessage> {
  const bytes = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength)
  // An edit may have made a record longer than the limit: the sink decides, not the thread.
  const options = { partition: '', number: 0, paths, limits: { ...limits, maxLine: Infinity } }
  const outcomes: RecordOutcome[] = []
  for (const batch of openBatches({ bytes }, options)) {
    for (const outcome of await callFunction(batch, made, data)) outcomes.push(outcome)
  }
  const outcome: BatchOutcome = { outcomes, flushed: await flush(made, limits, data.stage) }
  return writeOutcome(outcome)
}

/** Resolves when the last request is answered. */
let last = answer(`create of transform ${data.stage}`, open)
parentPort?.on('message', (request: ThreadRequest) => {
  last = last.then(() => handle(request))
})

async function handle(request: ThreadRequest): Promise<void> {
  const made = transform
  if (request.kind === 'close') {
    await answer(`close of transform ${data.stage}`, async () => made?.close?.())
  } else if (made !== undefined) {
    await answer(`transform ${data.stage}`, () => run(made, request.lines, request.limits))
  }
}
