import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createGzip } from 'node:zlib'
import { compressions, linesOf, sampleEvents, start } from './read-file.ts'
import { codeFile } from '../../support/paths.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const events = await sampleEvents()

interface Summary {
  readonly lines: number
  readonly bytes: number
  readonly skipped: number
  readonly positions: number
  readonly partitions: string[]
  /** Largest resident set in MiB. */
  readonly memory: number
  readonly error?: string
}

/**
 * Reads a path in its own process, releases buffers like a sink, and prints a summary. `stop`
 * aborts at the first chunk.
 */
const SCRIPT = `
  import source from ${JSON.stringify(pathToFileURL(codeFile('src/sources/file.ts')).href)}
  import { release } from ${JSON.stringify(pathToFileURL(codeFile('src/record/chunk-memory.ts')).href)}
  const [path, stop] = process.argv.slice(1)
  const summary = { lines: 0, bytes: 0, skipped: 0, positions: 0, partitions: new Set() }
  const abort = new AbortController()
  const options = { signal: abort.signal, follow: false, maxLine: 1 << 20, position() {}, note() {} }
  try {
    for await (const chunk of source.create({ path, format: 'auto', records: '$' }).read(options)) {
      const { bytes, skipped = [] } = chunk
      for (let at = bytes?.indexOf(10) ?? -1; at >= 0; at = bytes.indexOf(10, at + 1)) summary.lines++
      summary.bytes += bytes?.length ?? 0
      summary.skipped += skipped.length
      if (chunk.position !== undefined) summary.positions++
      summary.partitions.add(chunk.partition)
      if (bytes !== undefined) release(bytes)
      if (stop === 'stop') abort.abort()
      await new Promise(setImmediate)
    }
  } catch (error) {
    summary.error = error.code + ' ' + error.message
  }
  console.log(JSON.stringify({ ...summary, partitions: [...summary.partitions], memory: process.resourceUsage().maxRSS / 1024 }))
`

function startChild(t: TestContext, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, ...args])
  t.after(() => child.kill('SIGKILL'))
  // A child that stops reading breaks the pipe.
  child.stdin.on('error', () => {})
  return child
}

async function summaryOf(child: ChildProcessWithoutNullStreams): Promise<Summary> {
  const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
  assert.equal(stderr, '')
  const summary: Summary = JSON.parse(stdout)
  return summary
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk)
  return text
}

test('reads standard input in every compression, without positions', async (t) => {
  for (const [ending, compress] of compressions) {
    // Brotli is detected by name, which standard input does not have.
    if (ending === '.br') continue
    for (const text of [events.join('\n'), `[${events.join(',')}]`]) {
      const child = startChild(t, '-')
      child.stdin.end(compress(Buffer.from(text)))
      const { memory: _, ...summary } = await summaryOf(child)
      const bytes = Buffer.byteLength(events.join('\n')) + 1
      assert.deepEqual(summary, { lines: events.length, bytes, skipped: 0, positions: 0, partitions: ['-'] })
    }
  }
})

test('reads standard input that arrives byte by byte, or is empty', async (t) => {
  const slow = startChild(t, '-')
  await pipeline(
    Readable.from([...Buffer.from('\ufeff[{"a":1},\n{"b":2}]')].map((byte) => Buffer.of(byte))),
    slow.stdin,
  )
  assert.equal((await summaryOf(slow)).lines, 2)
  const empty = startChild(t, '-')
  empty.stdin.end()
  const { lines, error } = await summaryOf(empty)
  assert.deepEqual({ lines, error }, { lines: 0, error: undefined })
})

test('truncated standard input is an error after all of its records', async (t) => {
  const child = startChild(t, '-')
  child.stdin.end('[{"a":1},{"b":2},{"c"')
  const { lines, error } = await summaryOf(child)
  assert.equal(lines, 2)
  assert.match(error ?? '', /^INPUT_CORRUPT "-" is damaged: it ends at byte 21/)
})

test('an abort ends reading while standard input is idle', async (t) => {
  const child = startChild(t, '-', 'stop')
  child.stdin.write('{"a":1}\n'.repeat(200_000))
  // Standard input is never closed: the child must exit by itself.
  const { lines } = await summaryOf(child)
  assert.ok(lines > 0)
  assert.equal(child.exitCode ?? (await once(child, 'exit'))[0], 0)
})

test('reads a named pipe like standard input', { skip: process.platform === 'win32' }, async (t) => {
  const pipe = join(await temporaryFolder(t), 'pipe.json')
  execFileSync(MAKE_PIPE, [pipe])
  const writing = writeFile(pipe, events.join('\n'))
  const chunks = []
  for await (const chunk of start(pipe)) chunks.push(chunk)
  await writing
  assert.deepEqual(linesOf(chunks), events)
  assert.ok(chunks.every(({ position, partition }) => position === undefined && partition === pipe))
})

test('passes records of a pipe on while its writer pauses', { skip: process.platform === 'win32' }, async (t) => {
  for (const [text, expected] of [
    ['{"a":1}\n{"a":2}\n{"half"', ['{"a":1}', '{"a":2}']],
    ['[{"a":1},\n{"a":2},{"half"', ['{"a":1}', '{"a":2}']],
  ] as const) {
    const pipe = join(await temporaryFolder(t), 'pipe.json')
    execFileSync(MAKE_PIPE, [pipe])
    const writer = createWriteStream(pipe)
    writer.write(text)
    const chunks = start(pipe)[Symbol.asyncIterator]()
    // The pipe stays open: the chunk is neither full nor the last one.
    const first = await chunks.next()
    assert.ok(first.done !== true)
    assert.deepEqual(linesOf([first.value]), expected)
    writer.end(text.startsWith('[') ? ':3}]' : ':3}\n')
    const second = await chunks.next()
    assert.ok(second.done !== true)
    assert.deepEqual(linesOf([second.value]), ['{"half":3}'])
    assert.equal((await chunks.next()).done, true)
  }
})

const MAKE_PIPE = 'mkfifo'

const MiB = 1024 * 1024

test(
  'memory does not grow with the size of a file, of its only line or of an element',
  { timeout: 120_000 },
  async (t) => {
    const folder = await temporaryFolder(t)
    const event = events.join(',')
    const repeat = function* (first: string, between: string, last: string, bytes: number) {
      const block = Buffer.from((between + event).repeat(50))
      yield Buffer.from(first + event)
      for (let size = 0; size < bytes; size += block.length) yield block
      yield Buffer.from(last)
    }
    const write = async (name: string, chunks: Iterable<Buffer>) => {
      const path = join(folder, name)
      if (name.endsWith('.gz')) await pipeline(chunks, createGzip({ level: 1 }), createWriteStream(path))
      else await pipeline(chunks, createWriteStream(path))
      return path
    }
    // Large enough to use all buffers and the young generation of V8.
    const small = await summaryOf(startChild(t, await write('small.json.gz', repeat('[', ',', ']', 48 * MiB))))
    const bound = small.memory + 60
    const check = async (path: string, expected: { lines?: number; skipped: number; bytes: number }) => {
      const summary = await summaryOf(startChild(t, path))
      assert.equal(summary.error, undefined)
      assert.equal(summary.skipped, expected.skipped)
      assert.ok(summary.bytes >= expected.bytes, `${summary.bytes} bytes of ${path}`)
      assert.ok(summary.memory < bound, `${summary.memory} MiB for ${path}, ${small.memory} MiB for one of 48 MiB`)
    }
    // One line of 200 MiB that contains all elements.
    await check(await write('array.json', repeat('[', ',', ']', 200 * MiB)), { skipped: 0, bytes: 200 * MiB })
    // The same, compressed 10:1.
    await check(await write('array.json.gz', repeat('[', ',', ']', 200 * MiB)), { skipped: 0, bytes: 200 * MiB })
    // One element, and one line, of 200 MiB.
    await check(await write('element.json', repeat('[{"all":[', ',', ']}]', 200 * MiB)), { skipped: 1, bytes: 0 })
    await check(await write('line.ndjson', repeat('{"all":[', ',', ']}', 200 * MiB)), { skipped: 1, bytes: 0 })
  },
)
