import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineSource } from '../../../src/index.ts'
import type {
  Chunk,
  Json,
  PartsOptions,
  ReadOptions,
  ReadPart,
  SourceDeclaration,
  SourcePart,
} from '../../../src/index.ts'
import { isObject } from '../../../src/record/json/json.ts'
import file from '../../../src/sources/file.ts'
import { sourceContract } from '../../../src/testing/index.ts'
import { fileFixture, NDJSON } from '../../support/file-fixture.ts'

interface Divided {
  readonly read: (options: ReadOptions) => AsyncIterable<Chunk>
  readonly parts: (options: PartsOptions) => AsyncIterable<SourcePart>
  readonly readParts: (parts: readonly SourcePart[], options: ReadOptions) => AsyncIterable<AsyncIterable<Chunk>>
  readonly positionAfter: (parts: Iterable<ReadPart>) => Json | undefined
}

/** The file source, with a mistake. */
function sourceWith(mistake: (source: Divided) => Partial<Divided>): SourceDeclaration {
  return defineSource({
    summary: 'Reads files, with a mistake.',
    repeats: false,
    fields: file.fields,
    async create(config, context) {
      const source = await file.create(config, context)
      const divided: Divided = {
        read: (options) => source.read(options),
        parts: (options) => source.parts?.(options) ?? none(),
        async *readParts(parts, options) {
          yield* source.readParts?.(parts, options) ?? []
        },
        positionAfter: (parts) => source.positionAfter?.(parts),
      }
      return { ...divided, ...mistake(divided) }
    },
  })
}

async function* none(): AsyncGenerator<never> {}

async function* from(chunks: readonly Chunk[]): AsyncGenerator<Chunk> {
  yield* chunks
}

async function failureOf(name: string, mistake: (source: Divided) => Partial<Divided>): Promise<string> {
  const fixture = fileFixture({ ...NDJSON, textBytes: 200 })
  const run = sourceContract(sourceWith(mistake), fixture).find((one) => one.name === name)?.run
  assert.ok(run, `there is no case "${name}"`)
  return run().then(
    () => 'no failure',
    (error: unknown) => String(error),
  )
}

async function* map(parts: AsyncIterable<SourcePart>, change: (part: SourcePart, at: number) => SourcePart[]) {
  let at = 0
  for await (const part of parts) yield* change(part, at++)
}

const WITHOUT_READING: object = { readParts: undefined }

/** Reads one part after the other, with a mistake in the chunks of each. */
function eachPart(
  { readParts }: Divided,
  change: (part: SourcePart, chunks: AsyncIterable<Chunk>, options: ReadOptions) => AsyncIterable<Chunk>,
): Partial<Divided> {
  return {
    async *readParts(parts, options) {
      let at = 0
      for await (const chunks of readParts(parts, options)) yield change(parts[at++], chunks, options)
    },
  }
}

const ALL = 'divides its input into parts that hold all records'
const mistakes: readonly [
  what: string,
  name: string,
  reason: RegExp,
  mistake: (source: Divided) => Partial<Divided>,
][] = [
  ['plans, and reads no part', ALL, /has both `parts` and `readParts`/, () => WITHOUT_READING],
  [
    'plans a part twice',
    ALL,
    /records are yielded twice/,
    ({ parts }) => ({ parts: (options) => map(parts(options), (part, at) => (at === 0 ? [part, part] : [part])) }),
  ],
  [
    'leaves out a part',
    ALL,
    /records are missing/,
    ({ parts }) => ({ parts: (options) => map(parts(options), (part, at) => (at === 1 ? [] : [part])) }),
  ],
  [
    'mixes source partitions',
    ALL,
    /are not together/,
    ({ parts }) => ({
      parts: (options) => map(parts(options), (part, at) => [{ ...part, partition: `${part.partition}${at % 2}` }]),
    }),
  ],
  [
    'yields a part once only',
    ALL,
    /something else when read again/,
    (source) => {
      const seen = new Set<string>()
      return eachPart(source, async function* (part, chunks) {
        if (seen.has(JSON.stringify(part))) return
        seen.add(JSON.stringify(part))
        yield* chunks
      })
    },
  ],
  [
    'plans what was read before',
    'divides only what the committed positions leave',
    /yielded again/,
    ({ parts }) => ({ parts: (options) => parts({ ...options, position: () => undefined }) }),
  ],
  [
    'has the position of its first part after all of them',
    'reads nothing twice after all parts',
    /yielded again/,
    ({ positionAfter }) => ({ positionAfter: (parts) => positionAfter([...parts].slice(0, 1)) }),
  ],
  [
    'skips a part that has changed',
    'yields no record of an input that replaced the one that was planned',
    /lacks records, without an error/,
    (source) =>
      eachPart(source, async function* (_part, chunks) {
        try {
          yield* chunks
        } catch {
          // As if nothing were there.
        }
      }),
  ],
  [
    'reads a part to the end of the input',
    'ends a part where it was planned when the input has grown',
    /was not planned|not in the input|missing|yielded/,
    (source) =>
      eachPart(source, async function* (part, chunks, options) {
        const isFirst = isObject(part.detail) && part.detail['start'] === 0
        yield* isFirst ? source.read(options) : chunks
      }),
  ],
  [
    'leaves out the last part of a call',
    ALL,
    /yields \d+ of the \d+ parts that it was asked for/,
    ({ readParts }) => ({
      readParts: (parts, options) => readParts(parts.slice(0, Math.max(1, parts.length - 1)), options),
    }),
  ],
  [
    'yields the records of a part with those of another one',
    ALL,
    /yields other records than read alone/,
    ({ readParts }) => ({
      async *readParts(parts, options) {
        let held: Chunk[] = []
        let count = 0
        for await (const chunks of readParts(parts, options)) {
          const isLast = ++count === parts.length
          const next: Chunk[] = []
          for await (const chunk of chunks) next.push(chunk)
          yield from(isLast ? [...held, ...next] : held)
          held = next
        }
      },
    }),
  ],
  [
    'ignores the signal while it plans',
    'ends planning and reading a part when the signal aborts',
    /did not end within/,
    ({ parts }) => ({
      async *parts(options) {
        yield* parts({ ...options, signal: new AbortController().signal })
        if (options.partBytes === 1) await new Promise((resolve) => setTimeout(resolve, 8000))
      },
    }),
  ],
]

for (const [what, name, reason, mistake] of mistakes) {
  test(`the contract suite fails a source that ${what}`, async () => {
    assert.match(await failureOf(name, mistake), reason)
    assert.equal(await failureOf(name, () => ({})), 'no failure')
  })
}
