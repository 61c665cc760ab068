import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { decompress } from '../../compression/compress.ts'
import { isCustom } from '../../config/component-name.ts'
import type { CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { countOf, parseTestTime, wholeInputOf } from '../../config/pipeline-test.ts'
import { whyUntestable } from '../../config/testable.ts'
import { readLocalRejects } from '../../delivery/rejects/local-rejects-reader.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { hasState, readState } from '../../delivery/state/state-reader.ts'
import type { StateReader } from '../../delivery/state/state-reader.ts'
import { ONLY_SINK, REJECTS, sinkNameOf } from '../../delivery/state/rows.ts'
import { SluiceError } from '../../errors.ts'
import { EXTENSION } from '../../package.ts'
import type { StageRule } from '../../runtime/transform-stages.ts'
import { runAttempt } from './attempt.ts'
import type { AttemptResult } from './attempt.ts'
import type { AttemptMessage, AttemptOrder } from './attempt-process.ts'
import { loadForTest } from './load-test.ts'
import type { TestPlace } from './load-test.ts'
import { describeUnused } from './page-server.ts'
import { belowInput, writeInput } from './input-files.ts'
import { foldersIn, inTestFolder } from './stand-ins.ts'
import type { TestFolders } from './stand-ins.ts'

/** What a pipeline has done in a test, all its runs together. */
export interface WholeResult {
  /** The records by the keys of their objects, without the generated last segment. */
  readonly objects: ReadonlyMap<string, readonly string[]>
  /** The same of the sink in `rejects`, if there is one. */
  readonly rejectObjects?: WholeResult['objects']
  readonly rejects: readonly LocalReject[]
  readonly ledger: {
    readonly read: number
    readonly added: number
    readonly written: number
    readonly dropped: number
    readonly duplicate: number
    readonly rejected: number
  }
  readonly dropped: { readonly [reason: string]: number }
  readonly error: AttemptResult['error']
  /** Requests without a page, and pages without a request. */
  readonly problems: readonly string[]
  /** What may explain a difference. */
  readonly remarks: readonly string[]
  readonly rules: readonly StageRule[]
  readonly log: readonly string[]
}

/** Runs a pipeline whole, in a temporary folder and without a network. */
export async function runWhole(place: TestPlace): Promise<WholeResult> {
  const { test } = place
  const pipeline = await loadForTest(place)
  const unfit = whyUntestable(pipeline, test)
  if (unfit) throw new SluiceError('CONFIG_INVALID', unfit.message, { hint: unfit.hint })
  return inTestFolder(async (folder) => {
    const folders = foldersIn(folder)
    for (const { name } of pipeline.sinks) await mkdir(join(folders.objects, name), { recursive: true, mode: 0o700 })
    if (test.files) await writeInput(test, folders.input)
    const last = await runAttempts(place, pipeline, folder)
    const result = await readResult(pipeline, test, folders, last)
    return withoutFolder(result, folders.input)
  })
}

async function runAttempts(place: TestPlace, pipeline: CheckedPipeline, folder: string): Promise<AttemptResult> {
  const { test } = place
  const { now = '', resumeAt, restartAfter, restartIn, stopAfter } = test
  const startAt = parseTestTime(now)
  const options = { pipeline, test, folders: foldersIn(folder) }
  const page = restartAfter ?? restartIn
  if (page === undefined) {
    const halt = stopAfter === undefined ? undefined : { page: stopAfter, isInside: false }
    return runAttempt({ ...options, startAt, served: [], halt })
  }
  const halt = { page, isInside: restartIn !== undefined }
  const first = await inProcess({ ...place, folder, startAt, served: [], halt })
  const problem = 'problem' in first ? (first.problem ?? unreached(test, pipeline, first)) : undefined
  if ('problem' in first && (problem !== undefined || first.error)) return { ...first, problem, lines: Buffer.alloc(0) }
  // By default at the time of the first run: otherwise its waits would make another window due.
  const second = await runAttempt({ ...options, startAt: parseTestTime(resumeAt ?? now), served: first.served })
  return { ...second, inputs: [...first.inputs, ...second.inputs] }
}

/** A test that says it restarts, and does not, shows nothing. A page that is not reached is reported as unused. */
function unreached(
  test: PipelineTest,
  { source }: CheckedPipeline,
  { isHalted, inputs, error }: Omit<AttemptResult, 'lines'>,
): string | undefined {
  const { restartAfter, restartIn } = test
  const page = restartAfter ?? restartIn ?? 0
  const what = wholeInputOf(test)
  // Custom code that names no origin has one input, whatever it reads.
  const isNamed = !isCustom(source.declaration.type) || page === countOf(test)
  const isComplete = restartIn === undefined && inputs.length >= page && isNamed
  if (test.pages || isHalted || isComplete || error) return undefined
  const key = restartAfter === undefined ? 'restartIn' : 'restartAfter'
  const read = inputs.length === 0 ? 'none' : `only ${inputs.length}`
  return `${key} is ${page}, but the source has read records of ${read} of the ${countOf(test) ?? 0} ${what}`
}

/** Runs an attempt in a process that dies where it is interrupted. */
async function inProcess(
  order: AttemptOrder,
): Promise<Omit<AttemptResult, 'lines'> | Extract<AttemptMessage, { kind: 'halted' }>['progress']> {
  const path = fileURLToPath(new URL(`./attempt-process${EXTENSION}`, import.meta.url))
  const child = fork(path, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let said: AttemptMessage | undefined
  child.on('message', (message: AttemptMessage) => (said = message))
  const closed = once(child, 'close')
  child.send(order)
  await closed
  if (said === undefined)
    throw new SluiceError('TRANSFORM_FAILED', 'the process of a test ended before the test', {
      hint: 'custom code of the pipeline ends the process, or it ran out of memory',
    })
  if (said.kind === 'failed')
    throw new SluiceError('CONFIG_INVALID', said.message, said.hint === undefined ? {} : { hint: said.hint })
  return said.kind === 'halted' ? said.progress : said.result
}

async function readResult(
  pipeline: CheckedPipeline,
  test: PipelineTest,
  folders: TestFolders,
  last: AttemptResult,
): Promise<WholeResult> {
  const [sink] = pipeline.sinks
  const isStream = sink.declaration.delivers === 'stream'
  const state = join(folders.state, pipeline.name)
  const stored = hasState(state) ? await readState(state, readTotals) : undefined
  const rejects: LocalReject[] = []
  if (stored) for await (const reject of (await readLocalRejects(state)).rejects) rejects.push(reject)
  const objects = isStream
    ? new Map([[sink.stage, linesIn(last.lines.toString())]])
    : await readObjects(folders.objects, stored?.objects ?? [])
  const rejectObjects = pipeline.rejects && (await readObjects(folders.rejects, stored?.rejects ?? []))
  const counts = stored?.tally ?? last.counts
  const dropped: { readonly [reason: string]: number } = counts?.dropped ?? {}
  return {
    objects,
    ...(rejectObjects && { rejectObjects }),
    rejects,
    ledger: {
      read: counts?.read ?? 0,
      added: counts?.added ?? 0,
      written: counts?.written ?? 0,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
      duplicate: counts?.duplicate ?? 0,
      rejected: counts?.rejected ?? 0,
    },
    dropped: { ...dropped },
    error: last.error,
    problems: last.problem === undefined ? unusedIn(test, last) : [last.problem],
    remarks: [...unreadIn(pipeline, test, last), ...unrequestedIn(pipeline, test, last)],
    rules: last.rules,
    log: last.log,
  }
}

/** Names files as the test does, and not by a folder that is another one each time. */
function withoutFolder(result: WholeResult, folder: string): WholeResult {
  const strip = (line: string): string => line.replaceAll(`${folder}/`, '').replaceAll(folder, '.')
  const { rejects, rejectObjects, error, log } = result
  return {
    ...result,
    rejects: rejects.map((reject) => ({ ...reject, origin: strip(reject.origin) })),
    ...(rejectObjects && {
      rejectObjects: new Map([...rejectObjects].map(([key, lines]) => [key, lines.map(strip)])),
    }),
    error: error && {
      ...error,
      message: strip(error.message),
      ...(error.hint !== undefined && { hint: strip(error.hint) }),
      causes: error.causes.map(strip),
    },
    log: log.map(strip),
  }
}

/** A run that has failed unexpectedly would have requested more. */
function unusedIn({ pages = [], expect }: PipelineTest, { served, error }: AttemptResult): string[] {
  return error && error.code !== expect?.error ? [] : describeUnused(pages, served)
}

/** A name that the path of the source does not match is an easy mistake. */
function unreadIn({ source }: CheckedPipeline, { files, objects }: PipelineTest, { inputs }: AttemptResult): string[] {
  if (isCustom(source.declaration.type)) return []
  const names = files?.map(({ name }) => name) ?? objects?.map(({ key }) => key) ?? []
  const below = files ? belowInput : (key: string) => key
  const unread = names.filter((name) => !inputs.some((input) => input.endsWith(below(name))))
  return unread.length > 0 ? [`no record was read from ${[...new Set(unread)].join(', ')}`] : []
}

function unrequestedIn(
  { source }: CheckedPipeline,
  { pages }: PipelineTest,
  { served, problem }: AttemptResult,
): string[] {
  if (!pages || problem !== undefined || !isCustom(source.declaration.type) || served.some((count) => count > 0))
    return []
  return [`the source ${source.stage} has requested nothing through options.exchange, by which it gets the pages`]
}

function readTotals(state: StateReader) {
  const rows = [...state.history(), ...state.objects()]
    .toSorted((a, b) => a.epoch - b.epoch || a.part - b.part)
    .map(({ key, compression, ...row }) => ({ key, compression, sink: sinkNameOf(row) }))
  return {
    tally: state.tally,
    objects: rows.filter(({ sink }) => sink !== REJECTS),
    rejects: rows.filter(({ sink }) => sink === REJECTS),
  }
}

/** @param folder of objects with a folder for each sink, or of those of rejects */
async function readObjects(
  folder: string,
  rows: ReturnType<typeof readTotals>['objects'],
): Promise<Map<string, string[]>> {
  const objects = new Map<string, string[]>()
  for (const { key, compression, sink } of rows) {
    const path = sink === REJECTS ? join(folder, key) : join(folder, sink, key)
    const content = await text(decompress(createReadStream(path), compression))
    // With several sinks, the name of the sink comes first.
    const below = key === basename(key) ? '' : dirname(key)
    const prefix = sink === ONLY_SINK || sink === REJECTS ? below : `${sink}/${below}`
    objects.set(prefix, [...(objects.get(prefix) ?? []), ...linesIn(content)])
  }
  return new Map([...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function linesIn(content: string): string[] {
  return content.split('\n').filter((line) => line !== '')
}
