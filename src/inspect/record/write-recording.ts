import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join, relative } from 'node:path'
import { Document, isPair, isScalar, visit } from 'yaml'
import { loadPipeline } from '../../config/load.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { asRecord } from '../difference.ts'
import { runPipelineTest } from '../pipeline-tests.ts'
import { updateExpect } from '../update-expect.ts'
import type { CleanPage } from './clean.ts'
import type { Recording } from './record-pipeline.ts'

interface RecordingPlace {
  /** The test file to write. */
  readonly path: string
  /** The pipeline file. */
  readonly pipeline: string
  readonly name: string
}

/**
 * Writes a recording as a test, runs the test, and writes what it finds as `expect`. Bodies that are
 * large go into files beside it. The files are readable by this user only: they hold real records.
 * @returns the files
 * @throws SluiceError USAGE if the test exists; SOURCE_FAILED if the recording does not play back: then
 *   nothing is left
 */
export async function writeRecording(
  recording: Recording,
  { path, pipeline, name }: RecordingPlace,
): Promise<string[]> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const bodies = new Map<string, string>()
  const addFile = (suffix: string, text: string): string => {
    const file = `${basename(path, extname(path))}-${suffix}`
    bodies.set(join(folder, file), text)
    return file
  }
  const { now, env, isCut, input } = recording
  const given =
    'lines' in input ? { records: recordsOf(input.lines, addFile) } : { pages: pagesOf(input.pages, addFile) }
  const test = {
    name,
    now,
    ...(Object.keys(env).length > 0 && { env }),
    ...(isCut && given.pages && { stopAfter: given.pages.length }),
    ...given,
  }
  const files = [path, ...bodies.keys()]
  for (const file of files) await refuseExisting(file)
  try {
    for (const [file, text] of bodies) await writePrivate(file, hideSecrets(text))
    await writePrivate(path, hideSecrets(yamlOf(test)))
    await playBack(path, pipeline)
    return files
  } catch (error) {
    for (const file of files) await rm(file, { force: true })
    throw error
  }
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  )
  if (exists) throw new SluiceError('USAGE', `${path} exists`, { hint: 'delete it, or name another file with --out' })
}

async function writePrivate(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw asSluiceError(error, 'DISK_FAILED', `cannot write ${path}`)
  }
}

/** A test whose result depends on anything but its file is of no use. */
async function playBack(path: string, pipelinePath: string): Promise<void> {
  const loaded = await loadPipeline(pipelinePath, { mode: 'test' })
  const test = loaded.pipeline?.tests.find((one) => one.path === path)
  if (test === undefined) {
    const problem = loaded.problems.find(({ severity }) => severity === 'error')
    throw new SluiceError(
      'SOURCE_FAILED',
      `the recording is not a valid test: ${problem?.message ?? 'it was not found'}`,
      {
        hint: `record into ${relative(process.cwd(), dirname(path))}/, below which the tests of the pipeline are`,
      },
    )
  }
  const first = await runPipelineTest(() => Promise.reject(new Error('the test is of a whole pipeline')), test, {
    pipeline: pipelinePath,
  })
  if (first.actual === undefined)
    throw new SluiceError('SOURCE_FAILED', `the recording does not play back: ${first.differences.join('; ')}`, {
      hint: 'requests must depend on the pipeline, the time and earlier responses only; nothing was written',
    })
  await updateExpect(test, first.actual)
}

/** Writes a file beside the test. @returns its name */
type AddFile = (suffix: string, text: string) => string

function pagesOf(pages: readonly CleanPage[], addFile: AddFile) {
  return pages.map((page, i) => {
    const large = largeBody(page)
    return pageOf(page, large === undefined ? undefined : addFile(`page-${i + 1}.json`, large))
  })
}

/** A record that YAML would change is its JSON text. */
function recordsOf(lines: readonly string[], addFile: AddFile) {
  const text = `${lines.join('\n')}\n`
  if (text.length > LARGE) return { file: addFile('records.ndjson', text) }
  return lines.map((line) => (isRecord(line) ? asRecord(line) : line))
}

function isRecord(line: string): boolean {
  try {
    const value: Json = JSON.parse(line)
    return isObject(value)
  } catch {
    return false
  }
}

function pageOf({ request, status, headers, body }: CleanPage, file: string | undefined) {
  const content = file === undefined ? (body === undefined ? {} : { body }) : { file }
  return { request, response: { ...(status !== 200 && { status }), headers, ...content } }
}

/** The text of a body that would make the test hard to read; undefined for another. */
function largeBody({ body }: CleanPage): string | undefined {
  if (body === undefined) return undefined
  const text = typeof body === 'string' ? body : `${JSON.stringify(body, undefined, 2)}\n`
  return text.length > LARGE || hasLargeNumber(body) ? text : undefined
}

/** Characters. */
const LARGE = 16_384

/** A test file may not have numbers that YAML rounds; a file of its own may. */
function hasLargeNumber(body: Json): boolean {
  if (typeof body === 'number') return Number.isInteger(body) && !Number.isSafeInteger(body)
  return typeof body === 'object' && body !== null && Object.values(body).some(hasLargeNumber)
}

function yamlOf(test: object): string {
  const document = new Document(test)
  visit(document, {
    Collection(_key, node, path) {
      const pair = path[2]
      const isLine = path.length > 3 && isPair(pair) && String(pair.key) === 'records'
      if ((path.length > 4 || isLine) && JSON.stringify(node.toJSON()).length < 90) node.flow = true
    },
    // A long text is not folded: it may be JSON.
    Scalar(_key, node) {
      if (isScalar(node) && typeof node.value === 'string' && node.value.includes('\n')) node.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString({ lineWidth: 0, singleQuote: true })
}
