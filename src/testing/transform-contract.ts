import assert from 'node:assert/strict'
import type { TransformDeclaration } from '../component.ts'
import type { Batch } from '../record/batch.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import type { DryRun, DryRunner } from '../inspect/dry-run.ts'
import { isObject } from '../record/json/json.ts'
import { formatPath } from '../record/paths/grammar.ts'
import { configure, contextOf } from './configure.ts'
import { canonical, liveBytes, shorten, withoutHanging } from './contract-case.ts'
import type { ContractCase, NotApplicable } from './contract-case.ts'
import { linesOf, openTransform } from './rehearse.ts'

/** A transform's configuration, and what it makes of some records. */
export interface TransformFixture {
  /** As in a pipeline file, without `type`. */
  readonly config: object
  /** The folder to which relative files in the configuration are relative. */
  readonly folder?: string
  /** Records, or JSON text. At least five, with a record for each thing that the transform does. */
  readonly input: readonly (JsonObject | string)[]
  /** The records that are written, in order. */
  readonly output: readonly JsonObject[]
  /** Codes of the rejected records, in order. Default: none. */
  readonly rejects?: readonly string[]
  /**
   * Why the same records may give another output when they are read again after a crash. Leave it
   * out when they give the same.
   */
  readonly varies?: NotApplicable
}

/** Memory that a transform may hold between batches. */
const MAX_HELD = 32 << 20
const MANY_BATCHES = 2000

/**
 * Tries a transform by the rules of `TransformDeclaration`: the expected output however records
 * come in batches, order, accounting, bytes of untouched records, hostile records, memory,
 * instances. The cases may run in any order, one at a time.
 */
export function transformContract(declaration: TransformDeclaration, fixture: TransformFixture): ContractCase[] {
  const on = (check: (bench: Bench) => Promise<void>) => async (): Promise<void> => {
    await withoutHanging('the transform', check({ declaration, fixture }))
  }
  return [
    { name: 'gives the expected output, in order', run: on((bench) => givesOutput(bench, Infinity)) },
    ...[1, 2, 3].map((size) => ({
      name: `gives the same output in batches of ${size}`,
      run: on((bench) => givesOutput(bench, size)),
    })),
    ...(fixture.varies === undefined
      ? [{ name: 'gives the same output when the records are read again', run: on(repeatsItself) }]
      : []),
    { name: 'shares nothing between two instances', run: on(sharesNothing) },
    { name: 'keeps the bytes of records that it does not change', run: on(keepsBytes) },
    ...(declaration.effectOn
      ? [{ name: 'changes no value that it leaves alone, as effectOn says', run: on(keepsValues) }]
      : []),
    { name: 'rejects or passes hostile records, and accounts for all of them', run: on(survivesHostileRecords) },
    { name: 'leaves its configuration unchanged', run: on(leavesConfiguration) },
    { name: 'holds no more memory after many batches', run: on(staysSmall) },
    ...(declaration.reusesBuffers === true
      ? [{ name: 'keeps nothing of a batch, as reusesBuffers says', run: on(keepsNothing) }]
      : []),
  ]
}

interface Bench {
  readonly declaration: TransformDeclaration
  readonly fixture: TransformFixture
}

async function open({ declaration, fixture }: Bench): Promise<DryRunner> {
  return openTransform(declaration, await configure(declaration, fixture.config, fixture.folder), fixture.folder)
}

async function withInstance(bench: Bench, use: (instance: DryRunner) => Promise<void>): Promise<void> {
  const instance = await open(bench)
  try {
    await use(instance)
  } finally {
    await instance.close()
  }
}

/** Runs the input in batches of a size. `after` sees each one as soon as it has come out. */
async function runAll(
  instance: DryRunner,
  input: TransformFixture['input'],
  size: number,
  after: (result: DryRun) => void = () => undefined,
): Promise<{ lines: string[]; codes: string[] }> {
  const lines: string[] = []
  const codes: string[] = []
  for (let at = 0; at < input.length; at += size) {
    const result = await instance.run(linesOf(input.slice(at, at + size)))
    for (const batch of result.batches.after) checkAccounts(batch)
    lines.push(...result.output)
    codes.push(...result.rejects.map(({ code }) => code))
    after(result)
  }
  return { lines, codes }
}

function checkAccounts({ tallies, live, rejects }: Batch): void {
  const dropped = [...tallies.dropped.values()].reduce((sum, count) => sum + count, 0)
  assert.equal(
    tallies.read + tallies.added,
    live + dropped + rejects.length,
    `of ${tallies.read} records read and ${tallies.added} added, ${live} are live, ${dropped} dropped and ${rejects.length} rejected`,
  )
}

function checkOutput(
  { lines, codes }: { lines: string[]; codes: string[] },
  { output, rejects = [] }: TransformFixture,
) {
  const found = lines.map((line) => canonical(JSON.parse(line)))
  const wanted = output.map(canonical)
  const at = wanted.findIndex((record, index) => record !== found[index])
  if (at >= 0 || found.length !== wanted.length) {
    const difference = at < 0 ? wanted.length : at
    const [is, expected] = [found[difference] ?? 'missing', wanted[difference] ?? 'nothing'].map((one) =>
      shorten([one]),
    )
    assert.fail(
      `the output is not the expected one: ${found.length} records in place of ${wanted.length}; record ${difference} is ${is}, expected ${expected}`,
    )
  }
  assert.deepEqual(codes, rejects, 'the rejects are not the expected ones')
}

/** Tries each member at the top of each record, as if it were the dedup key. */
async function keepsValues(bench: Bench): Promise<void> {
  const { declaration, fixture } = bench
  const config = await configure(declaration, fixture.config, fixture.folder)
  const context = contextOf(declaration, fixture.folder)
  await withInstance(bench, async (instance) => {
    for (const record of fixture.input) {
      const before: Json | undefined = typeof record === 'string' ? parsed(record) : record
      if (!isObject(before)) continue
      const { output } = await instance.run(linesOf([record]))
      for (const [name, value] of Object.entries(before)) {
        if (await declaration.effectOn?.(config, [formatPath([{ kind: 'keys', keys: [name] }])], context)) continue
        for (const line of output) {
          const after: JsonObject = JSON.parse(line)
          assert.deepEqual(after[name], value, `"${name}" is changed, and effectOn says that it is not`)
        }
      }
    }
  })
}

function parsed(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}

async function givesOutput(bench: Bench, size: number): Promise<void> {
  const { input } = bench.fixture
  assert.ok(input.length >= 5, 'the fixture has at least five records')
  await withInstance(bench, async (instance) => {
    checkOutput(await runAll(instance, input, Math.min(size, input.length)), bench.fixture)
  })
}

async function repeatsItself(bench: Bench): Promise<void> {
  const runs: string[][] = []
  for (let run = 0; run < 2; run++) {
    await withInstance(bench, async (instance) => {
      runs.push((await runAll(instance, bench.fixture.input, 2)).lines)
    })
  }
  assert.deepEqual(runs[1], runs[0], 'a record that is read again after a crash must become the same record')
}

async function sharesNothing(bench: Bench): Promise<void> {
  const { input } = bench.fixture
  const instances = [await open(bench), await open(bench)]
  const results = instances.map(() => ({ lines: [] as string[], codes: [] as string[] }))
  try {
    for (let at = 0; at < input.length; at += 2) {
      for (const [number, instance] of instances.entries()) {
        const { output, rejects } = await instance.run(linesOf(input.slice(at, at + 2)))
        results[number].lines.push(...output)
        results[number].codes.push(...rejects.map(({ code }) => code))
      }
    }
  } finally {
    for (const instance of instances) await instance.close()
  }
  for (const result of results) checkOutput(result, bench.fixture)
}

/** The same records in a spelling that nothing would choose by itself. */
async function keepsBytes(bench: Bench): Promise<void> {
  const respelled = bench.fixture.input.map((record) => spell(record))
  const spellings = new Map(respelled.map((line) => [canonical(JSON.parse(line)), line]))
  await withInstance(bench, async (instance) => {
    const { lines } = await runAll(instance, respelled, respelled.length)
    for (const line of lines) {
      const before = spellings.get(canonical(JSON.parse(line)))
      if (before !== undefined)
        assert.equal(line, before, 'an unchanged record was serialized again instead of keeping its bytes')
    }
  })
}

function spell(record: JsonObject | string): string {
  const value: unknown = typeof record === 'string' ? JSON.parse(record) : record
  return JSON.stringify(value, null, 1).replaceAll(/\n */g, '  ')
}

async function survivesHostileRecords(bench: Bench): Promise<void> {
  const hostile = hostileRecords(bench.fixture.input)
  await withInstance(bench, async (instance) => {
    for (const record of hostile) {
      const { batches } = await instance.run(linesOf([record]))
      for (const batch of batches.after) checkAccounts(batch)
    }
    const { batches } = await instance.run(linesOf(hostile))
    for (const batch of batches.after) checkAccounts(batch)
  })
}

/** Records that lack what the transform looks for, or hold something else in its place. */
function hostileRecords(input: TransformFixture['input']): string[] {
  const [first = {}] = input.map((record): JsonObject => (typeof record === 'string' ? JSON.parse(record) : record))
  const values: unknown[] = [null, true, 0, -1.5, '', 'x'.repeat(10_000), [], [null, [[]]], {}, { a: { b: {} } }]
  const changed = Object.keys(first).flatMap((key) => values.map((value) => JSON.stringify({ ...first, [key]: value })))
  const text = JSON.stringify(first).slice(1)
  return [
    '{}',
    '{"":{"":null}}',
    '{"__proto__":{"polluted":true},"constructor":1,"toString":null}',
    `{"big":123456789012345678901234567890,"huge":1e400,"small":1e-400,"exact":1.10${text === '}' ? '}' : `,${text}`}`,
    `{"a":"\\ud800","b":"\\u0000","c":"\u2028"}`,
    `${'{"a":'.repeat(60)}1${'}'.repeat(60)}`,
    ...(text === '}' ? [] : [`{${text.slice(0, -1)},${text}`]),
    ...changed,
  ]
}

async function leavesConfiguration(bench: Bench): Promise<void> {
  const { declaration, fixture } = bench
  const config = deepFreeze(await configure(declaration, fixture.config, fixture.folder))
  const instance = await openTransform(declaration, config, fixture.folder)
  try {
    checkOutput(await runAll(instance, fixture.input, fixture.input.length), fixture)
  } finally {
    await instance.close()
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}

/** Duplicates of the input: whatever is kept of it by key does not grow. */
async function staysSmall(bench: Bench): Promise<void> {
  const { input } = bench.fixture
  await withInstance(bench, async (instance) => {
    await instance.run(linesOf(input))
    const padding = 'x'.repeat(20_000)
    const padded = input.map((record) => `{"_padding":"${padding}",${spell(record).replace(/^\{ */, '')}`)
    const before = liveBytes()
    for (let batch = 0; batch < MANY_BATCHES; batch++) {
      await instance.run(linesOf(padded))
      if (batch % 500 !== 499) continue
      const held = liveBytes() - before
      assert.ok(
        held < MAX_HELD,
        `after ${batch + 1} batches the transform holds ${held} bytes; ${MAX_HELD} are allowed`,
      )
    }
  })
}

/** As when the memory of each batch is used for the next one. */
async function keepsNothing(bench: Bench): Promise<void> {
  await withInstance(bench, async (instance) => {
    const result = await runAll(instance, bench.fixture.input, 1, ({ batches }) => {
      for (const { bytes, index } of [...batches.before, ...batches.after]) {
        bytes.fill('~')
        index.records.fill(0)
        index.hits.fill(0)
        index.columns.fill(0)
      }
    })
    checkOutput(result, bench.fixture)
  })
}
