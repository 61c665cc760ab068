import assert from 'node:assert/strict'
import { appendFile, open, readFile, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { defineSink, defineSource, defineTransform, SluiceError, Type } from '../../../src/index.ts'
import type { SinkDeclaration, SourceDeclaration } from '../../../src/index.ts'
import { isObject } from '../../../src/record/json/json.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import type { Record } from '../../../src/record/author/record.ts'
import {
  objectSinkContract,
  sourceContract,
  streamSinkContract,
  transformContract,
} from '../../../src/testing/index.ts'
import { openHandles } from '../../../src/testing/contract-case.ts'
import type { ContractCase, ObjectStore, Receiver } from '../../../src/testing/index.ts'
import { fileFixture, NDJSON, recordsOf } from '../../support/file-fixture.ts'

/** Names of the cases that a component fails, and the first words of why. */
async function failuresOf(cases: readonly ContractCase[]): Promise<Map<string, string>> {
  const failures = new Map<string, string>()
  for (const { name, run } of cases) {
    const [result] = await Promise.allSettled([run()])
    if (result.status === 'rejected') failures.set(name, String(result.reason))
  }
  return failures
}

function assertFails(failures: ReadonlyMap<string, string>, wanted: { readonly [name: string]: RegExp }): void {
  assert.deepEqual([...failures.keys()], Object.keys(wanted))
  for (const [name, reason] of Object.entries(wanted)) assert.match(failures.get(name) ?? '', reason)
}

const LINES_A_CHUNK = 5

interface Mistakes {
  /** What identifies the file in a position; by default its content. */
  readonly identity?: (lines: readonly string[], stats: { readonly size: number; readonly ino: number }) => unknown
  readonly ignoresSignal?: boolean
  readonly reusesMemory?: boolean
  readonly losesLastChunk?: boolean
  readonly startsTooLate?: boolean
  readonly takesHalfLines?: boolean
  readonly losesLongChunks?: boolean
  readonly losesChunkBeforeDamage?: boolean
  readonly ignoresTruncation?: boolean
  /** Files that are opened, and never closed. */
  readonly leaks?: FileHandle[]
  readonly throws?: (error: unknown) => Error
}

/** A source of lines that keeps the contract, but for its mistakes. */
function lineSource(mistakes: Mistakes = {}): SourceDeclaration {
  const { identity = (lines) => lines[0], throws = unreadable } = mistakes
  const memory = Buffer.alloc(2 << 20)
  return defineSource({
    summary: 'Reads lines.',
    repeats: false,
    fields: { path: Type.String() },
    create: ({ path }) => ({
      async *read({ position, signal, maxLine }) {
        const text = await readFile(path, {
          encoding: 'utf8',
          ...(mistakes.ignoresSignal !== true && { signal }),
        }).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : throws(error)
        })
        if (mistakes.leaks) mistakes.leaks.push(await open(path))
        const all = text.split('\n')
        const lines = mistakes.takesHalfLines === true && all.at(-1) !== '' ? all : all.slice(0, -1)
        const damage = lines.indexOf('damage')
        if (damage >= 0) lines.length = damage
        const own = JSON.stringify(identity(lines, await stat(path)))
        const saved = position()
        const isOurs = isObject(saved) && saved['own'] === own && typeof saved['line'] === 'number'
        const from = isOurs ? Number(saved['line']) + (mistakes.startsTooLate === true ? 1 : 0) : 0
        if (from > lines.length && mistakes.ignoresTruncation !== true)
          throw new SluiceError('INPUT_CORRUPT', 'the file is shorter than before')
        for (let at = from; at < lines.length; at += LINES_A_CHUNK) {
          if (signal.aborted) {
            if (mistakes.ignoresSignal === true) await new Promise((resolve) => setTimeout(resolve, 8000))
            return
          }
          const line = Math.min(lines.length, at + LINES_A_CHUNK)
          if (mistakes.losesLastChunk === true && line === lines.length) return
          if (mistakes.losesChunkBeforeDamage === true && damage >= 0 && line === lines.length) break
          if (mistakes.losesLongChunks === true && lines.slice(at, line).some((one) => one.length > maxLine)) continue
          const content = `${lines.slice(at, line).join('\n')}\n`
          const bytes =
            mistakes.reusesMemory === true ? memory.subarray(0, memory.write(content)) : Buffer.from(content)
          yield { bytes, position: { own, line } }
        }
        if (damage >= 0) throw new SluiceError('INPUT_CORRUPT', 'the file is damaged')
      },
    }),
  })
}

function unreadable(error: unknown): SluiceError {
  return new SluiceError('FILE_NOT_FOUND', 'the file cannot be read', { cause: error })
}

/** Reading into memory as a whole is no mistake that these tests are about. */
const LINES = { ...fileFixture({ ...NDJSON, textBytes: 200 }), enlarge: 'it is read as a whole' } as const
const DAMAGED = {
  ...LINES,
  damage: async ({ path, records }: { readonly path: string; readonly records: readonly JsonObject[] }) => {
    await appendFile(path, 'damage\n{}\n')
    return records
  },
} as const
const ONCE = { ...LINES, append: 'see the cases of a single run', unfinished: undefined, unended: undefined } as const

/** Why the source fails a case that it passes without its mistakes. */
async function failureOf(name: string, mistakes: Mistakes): Promise<string> {
  const cases = sourceContract(lineSource(mistakes), DAMAGED).filter((one) => one.name === name)
  assert.equal(cases.length, 1)
  assert.equal((await failuresOf(sourceContract(lineSource(), DAMAGED).filter((one) => one.name === name))).size, 0)
  return (await failuresOf(cases)).get(name) ?? ''
}

describe('the source contract', () => {
  test('passes a source that keeps it, but for following', async () => {
    assertFails(await failuresOf(sourceContract(lineSource(), LINES)), {
      'reads appended records while it follows': /appended while the source followed are missing/,
      'waits for the end of an unfinished record while it follows': /ended by itself/,
    })
  })

  test('fails a source whose position is a size and an offset', async () => {
    const failures = await failuresOf(sourceContract(lineSource({ identity: (_lines, { size }) => size }), ONCE))
    assertFails(failures, {
      'skips no record of an input that replaced the one it has read': /a position identifies its input/,
      'skips no record of an input that was rewritten in place': /a position identifies its input/,
    })
  })

  test('fails a source whose position is an inode and an offset', async () => {
    const failures = await failuresOf(
      sourceContract(lineSource({ identity: (_lines, { ino }) => ino, ignoresTruncation: true }), ONCE),
    )
    assertFails(failures, {
      'skips no record of an input that was rewritten in place': /a position identifies its input/,
      'notices that its input was truncated': /notices that it is shorter/,
    })
  })

  test('fails a source whose position is an offset alone', async () => {
    const failures = await failuresOf(
      sourceContract(lineSource({ identity: () => null, ignoresTruncation: true }), ONCE),
    )
    assertFails(failures, {
      'skips no record of an input that replaced the one it has read': /a position identifies its input/,
      'skips no record of an input that was rewritten in place': /a position identifies its input/,
      'notices that its input was truncated': /a position identifies its input/,
    })
  })

  test('fails a source that uses the memory of a chunk again', async () => {
    const failures = await failuresOf(sourceContract(lineSource({ reusesMemory: true }), ONCE))
    assert.match(failures.get('never changes memory that it has yielded') ?? '', /chunk 0 was changed/)
  })

  test('fails a source that resumes one record too late, and one that stops before the end', async () => {
    const late = await failuresOf(sourceContract(lineSource({ startsTooLate: true }), ONCE))
    assertFails(late, { 'resumes after every position': /records are missing when reading resumes after 1 chunk / })
    const short = await failuresOf(sourceContract(lineSource({ losesLastChunk: true }), ONCE))
    assert.match(short.get('yields every record once, in order, in sound chunks') ?? '', /records are missing/)
  })

  test('fails a source that takes half a line, or loses records next to a long one or to damage', async () => {
    const half = await failureOf('leaves an unfinished record to the next run', { takesHalfLines: true })
    assert.match(half, /SyntaxError/)
    const next = await failureOf('loses no record next to one that is longer than maxLine', { losesLongChunks: true })
    assert.match(next, /records are neither yielded nor skipped/)
    const before = await failureOf('yields every record before damage in the middle of its input, then fails', {
      losesChunkBeforeDamage: true,
    })
    assert.match(before, /records are missing before the damage/)
  })

  test('fails a source that does not end when it is aborted', async () => {
    const cases = sourceContract(lineSource({ ignoresSignal: true }), ONCE)
    const aborts = cases.filter(({ name }) => name === 'ends when the signal aborts, at any moment')
    assert.match((await failuresOf(aborts)).get(aborts[0].name) ?? '', /did not end within/)
  })

  test(
    'fails a source that leaves its files open',
    { skip: openHandles() === undefined && 'needs /proc' },
    async () => {
      const leaks: FileHandle[] = []
      const cases = sourceContract(lineSource({ leaks }), ONCE)
      const aborts = cases.filter(({ name }) => name === 'ends when the signal aborts, at any moment')
      assert.match((await failuresOf(aborts)).get(aborts[0].name) ?? '', /left \d+ files or sockets open/)
      for (const file of leaks) await file.close()
    },
  )

  test('fails a source that throws what is no SluiceError', async () => {
    const failures = await failuresOf(sourceContract(lineSource({ throws: () => new TypeError('oops') }), ONCE))
    assertFails(failures, { 'reports an unreadable input as a SluiceError': /not TypeError: oops/ })
  })
})

describe('the stream sink contract', () => {
  interface Memory extends Receiver {
    readonly chunks: Buffer[]
    isStalled: boolean
    isGone: boolean
    wake: () => void
  }
  const receivers = {
    open: () => {
      const chunks: Buffer[] = []
      const receiver: Memory = {
        config: {},
        chunks,
        received: () => Buffer.concat(chunks),
        isStalled: false,
        isGone: false,
        wake: () => undefined,
      }
      current = receiver
      return Promise.resolve(receiver)
    },
    stall: (receiver: Memory) => {
      receiver.isStalled = true
      return Promise.resolve(() => {
        receiver.isStalled = false
        receiver.wake()
        return Promise.resolve()
      })
    },
    fail: (receiver: Memory) => {
      receiver.isGone = true
      return Promise.resolve()
    },
  }
  let current: Memory | undefined

  async function take(receiver: Memory, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    if (receiver.isGone) throw new SluiceError('SINK_FAILED', 'the receiver is gone')
    if (receiver.isStalled) {
      await new Promise<void>((resolve, reject) => {
        receiver.wake = resolve
        signal?.addEventListener('abort', () => reject(new Error('the run failed', { cause: signal.reason })))
      })
    }
    receiver.chunks.push(Buffer.from(bytes))
  }

  function memorySink(
    create: (receiver: Memory) => ReturnType<SinkDeclaration['create']>,
    reusesBuffers: boolean,
  ): SinkDeclaration {
    return defineSink({
      summary: 'Into memory.',
      delivers: 'stream',
      reusesBuffers,
      fields: {},
      create: () => {
        assert.ok(current)
        return create(current)
      },
    })
  }

  function keepsUntilFlush(receiver: Memory) {
    const kept: Buffer[] = []
    return {
      write: (bytes: Buffer) => Promise.resolve(void kept.push(bytes)),
      flush: async () => {
        for (const bytes of kept) await take(receiver, bytes)
      },
    }
  }

  test('passes a sink that keeps it', async () => {
    const sound = memorySink(
      (receiver) => ({ write: (bytes, signal) => take(receiver, bytes, signal), flush: () => Promise.resolve() }),
      true,
    )
    assertFails(await failuresOf(streamSinkContract(sound, receivers)), {})
  })

  test('fails a sink that keeps its buffers until flush, with and without memory that is reused', async () => {
    const common = {
      'delivers while it is written to, not only in flush': /arrived without a flush/,
      'waits for a receiver that does not keep up': /without backpressure/,
      'ends a write when the signal aborts': /no write waits/,
    }
    const reused = await failuresOf(streamSinkContract(memorySink(keepsUntilFlush, true), receivers))
    const reuse = 'is done with the bytes of a write when it resolves, as reusesBuffers says'
    assert.match(reused.get(reuse) ?? '', /lines were written; \d+ arrived \(\d+ distinct\)/)
    for (const [name, reason] of Object.entries(common)) assert.match(reused.get(name) ?? '', reason)
    assertFails(await failuresOf(streamSinkContract(memorySink(keepsUntilFlush, false), receivers)), common)
  })

  test('fails a sink that waits for drain only, and says that memory may be reused', async () => {
    // As a socket does it: small writes are accepted at once, and read later.
    const drains = memorySink((receiver) => {
      const accepted: Buffer[] = []
      const deliver = async (signal?: AbortSignal) => {
        for (let bytes = accepted.shift(); bytes !== undefined; bytes = accepted.shift())
          await take(receiver, bytes, signal)
      }
      return {
        write: async (bytes, signal) => {
          accepted.push(bytes)
          if (accepted.reduce((sum, { length }) => sum + length, 0) > 64_000) await deliver(signal)
        },
        flush: () => deliver(),
      }
    }, true)
    assertFails(await failuresOf(streamSinkContract(drains, receivers)), {
      'is done with the bytes of a small write when it resolves, also if its receiver is slow': /distinct/,
    })
  })

  test('fails a sink that reports success when its receiver is gone', async () => {
    const silent = memorySink(
      (receiver) => ({
        write: (bytes, signal) => take(receiver, bytes, signal).catch(() => undefined),
        flush: () => Promise.resolve(),
      }),
      true,
    )
    assertFails(await failuresOf(streamSinkContract(silent, receivers)), {
      'reports a receiver that fails before the first write as a SluiceError': /ended without an error/,
      'reports a receiver that fails between two writes as a SluiceError': /ended without an error/,
      'reports a receiver that fails before flush as a SluiceError': /ended without an error/,
    })
  })
})

describe('the object sink contract', () => {
  test('fails a store that overwrites, shows parts, and accepts what it did not take', async () => {
    const objects = new Map<string, Buffer>()
    const broken = defineSink({
      summary: 'Into memory.',
      delivers: 'objects',
      fields: {},
      create: () => ({
        maxKeyBytes: 256,
        destination: (key) => ({ key }),
        async publish({ path }, destination, signal) {
          const content = await readFile(path)
          const key = JSON.stringify(destination['key']).slice(1, -1)
          const name = objects.has(key) ? `${key}.again` : key
          objects.set(name, content.subarray(0, content.length / 2))
          await new Promise((resolve) => setImmediate(resolve))
          if (!signal.aborted) objects.set(name, content)
        },
      }),
    })
    const fixture = {
      open: () => {
        objects.clear()
        return Promise.resolve<ObjectStore>({ config: {}, objects: () => Promise.resolve(new Map(objects)) })
      },
      outage: 'memory is always there',
      refuse: 'memory refuses nothing',
    }
    assertFails(await failuresOf(objectSinkContract(broken, fixture)), {
      'publishes the same object twice without an error or a second object': /made another object/,
      'shows no object in part, however it is aborted, and completes it afterwards': /visible in part|shows no object/,
    })
  })
})

describe('the transform contract', () => {
  const input = recordsOf('a', 0, 6, 10)

  test('fails a transform that carries a record over to the next batch', async () => {
    const late = defineTransform({
      summary: 'One record late.',
      fields: {},
      create: () => {
        let held: JsonObject | undefined
        return (record: Record) => {
          const before = held
          held = record.value
          return before ?? []
        }
      },
    })
    const failures = await failuresOf(transformContract(late, { config: {}, input, output: input }))
    assert.match(failures.get('gives the expected output, in order') ?? '', /the output is not the expected one/)
  })

  test('fails a transform that shares state between instances, or changes its configuration', async () => {
    let seen = 0
    const shared = defineTransform({
      summary: 'Numbers records over all instances.',
      fields: { list: Type.Array(Type.Integer(), { default: [] }) },
      create: ({ list }) => {
        list.push(1)
        return (record: Record) => record.set('n', seen++)
      },
    })
    const output = input.map((record, n) => ({ ...record, n }))
    const failures = await failuresOf(transformContract(shared, { config: {}, input, output }))
    for (const name of ['gives the same output in batches of 1', 'shares nothing between two instances']) {
      assert.match(failures.get(name) ?? '', /the output is not the expected one/)
    }
    assert.match(failures.get('leaves its configuration unchanged') ?? '', /could not be created/)
  })

  test('fails a transform that keeps views of records although it says that memory may be reused', async () => {
    const keeps = defineTransform({
      summary: 'Keeps the first record.',
      reusesBuffers: true,
      fields: {},
      create: () => {
        let first: Record | undefined
        return (record: Record) => {
          first ??= record
          return record.set('first', first.get('id') ?? null)
        }
      },
    })
    const output = input.map((record) => ({ ...record, first: 0 }))
    assertFails(await failuresOf(transformContract(keeps, { config: {}, input, output })), {
      'keeps nothing of a batch, as reusesBuffers says': /not the expected one|not valid JSON/,
    })
  })

  test('fails a transform that changes a value although effectOn says that it does not', async () => {
    const silent = defineTransform({
      summary: 'Counts ids from 1.',
      fields: {},
      effectOn: () => undefined,
      create: () => (record: Record) => record.set('id', Number(record.get('id')) + 1),
    })
    const output = input.map((record) => ({ ...record, id: record.id + 1 }))
    assertFails(await failuresOf(transformContract(silent, { config: {}, input, output })), {
      'changes no value that it leaves alone, as effectOn says': /"id" is changed, and effectOn says that it is not/,
    })
  })
})
