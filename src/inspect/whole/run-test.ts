import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { decompress } from '../../compression/compress.ts'
import type { CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { parseTestTime } from '../../config/pipeline-test.ts'
import { readLocalRejects } from '../../delivery/rejects/local-rejects-reader.ts'
import type { LocalReject } from '../../delivery/rejects/local-rejects-reader.ts'
import { hasState, readState } from '../../delivery/state/state-reader.ts'
import type { StateReader } from '../../delivery/state/state-reader.ts'
import { ONLY_SINK, sinkNameOf } from '../../delivery/state/rows.ts'
import { SluiceError } from '../../errors.ts'
import { EXTENSION } from '../../package.ts'
import type { StageRule } from '../../runtime/transform-stages.ts'
import { runAttempt } from './attempt.ts'
import type { AttemptResult } from './attempt.ts'
import type { AttemptMessage, AttemptOrder } from './attempt-process.ts'
import { loadForTest } from './load-test.ts'
import type { TestPlace } from './load-test.ts'
import { describeUnused } from './page-server.ts'
import { foldersIn, writeInput } from './stand-ins.ts'
import type { TestFolders } from './stand-ins.ts'

/** What a pipeline has done in a test, all its runs together. */
export interface WholeResult {
  /** The records by the keys of their objects, without the generated last segment. */
  readonly objects: ReadonlyMap<string, readonly string[]>
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
  readonly rules: readonly StageRule[]
  readonly log: readonly string[]
}

/** Runs a pipeline whole, in a temporary folder and without a network. */
export async function runWhole(place: TestPlace): Promise<WholeResult> {
  const { test } = place
  const pipeline = await loadForTest(place)
  checkTestable(pipeline, test)
  // Others on this machine must not read records.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sluice-test-run-')))
  try {
    const folders = foldersIn(folder)
    for (const { name } of pipeline.sinks) await mkdir(join(folders.objects, name), { recursive: true, mode: 0o700 })
    if (test.files) await writeInput(test, pipeline, folders)
    const last = await runAttempts(place, pipeline, folder)
    return await readResult(pipeline, test, folders, last)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** @throws SluiceError CONFIG_INVALID for a test that the pipeline cannot have */
function checkTestable(
  { source, sinks: [sink] }: CheckedPipeline,
  { pages, restartAfter, restartIn, name }: PipelineTest,
): void {
  const { type } = source.declaration
  const named = `the test ${JSON.stringify(name)}`
  if (pages && !HTTP_SOURCES.has(type))
    throw new SluiceError('CONFIG_INVALID', `${named} has pages, but the source ${source.stage} does not take them`, {
      hint: `pages are for the sources ${[...HTTP_SOURCES].join(' and ')}; use files for the source file, or input`,
    })
  if ((restartAfter ?? restartIn) !== undefined && sink.declaration.delivers !== 'objects')
    throw new SluiceError('CONFIG_INVALID', `${named} restarts, but the sink ${sink.stage} keeps no state`, {
      hint: 'remove the restart: each run of this pipeline reads from the beginning',
    })
}

const HTTP_SOURCES: ReadonlySet<string> = new Set(['http', 'jumpcloud'])

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
  if ('problem' in first && (first.problem !== undefined || first.error)) return { ...first, lines: Buffer.alloc(0) }
  // By default at the time of the first run: otherwise its waits would make another window due.
  return runAttempt({ ...options, startAt: parseTestTime(resumeAt ?? now), served: first.served })
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
  const counts = stored?.tally ?? last.counts
  const dropped: { readonly [reason: string]: number } = counts?.dropped ?? {}
  return {
    objects,
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
    rules: last.rules,
    log: last.log,
  }
}

/** A run that has failed unexpectedly would have requested more. */
function unusedIn({ pages = [], expect }: PipelineTest, { served, error }: AttemptResult): string[] {
  return error && error.code !== expect?.error ? [] : describeUnused(pages, served)
}

function readTotals(state: StateReader) {
  return {
    tally: state.tally,
    objects: [...state.history(), ...state.objects()]
      .filter(({ role }) => role === 'sink')
      .toSorted((a, b) => a.epoch - b.epoch || a.part - b.part)
      .map((row) => ({ key: row.key, compression: row.compression, sink: sinkNameOf(row) })),
  }
}

async function readObjects(
  folder: string,
  rows: ReturnType<typeof readTotals>['objects'],
): Promise<Map<string, string[]>> {
  const objects = new Map<string, string[]>()
  for (const { key, compression, sink } of rows) {
    const content = await text(decompress(createReadStream(join(folder, sink, key)), compression))
    // With several sinks, the name of the sink comes first.
    const below = key === basename(key) ? '' : dirname(key)
    const prefix = sink === ONLY_SINK ? below : `${sink}/${below}`
    objects.set(prefix, [...(objects.get(prefix) ?? []), ...linesIn(content)])
  }
  return new Map([...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function linesIn(content: string): string[] {
  return content.split('\n').filter((line) => line !== '')
}
