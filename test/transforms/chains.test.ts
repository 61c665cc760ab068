import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Finding, TransformDeclaration } from '../../src/component.ts'
import { openDryRunner } from '../../src/inspect/dry-run.ts'
import type { DryRun } from '../../src/inspect/dry-run.ts'
import type { Json } from '../../src/record/json/json.ts'
import { minify } from '../../src/record/json/minify.ts'
import { parsePath } from '../../src/record/paths/grammar.ts'
import { defaultLimits } from '../../src/record/scan.ts'
import filter from '../../src/transforms/filter.ts'
import keep from '../../src/transforms/keep.ts'
import parse from '../../src/transforms/parse.ts'
import redact from '../../src/transforms/redact.ts'
import remove from '../../src/transforms/remove.ts'
import rename from '../../src/transforms/rename.ts'
import set from '../../src/transforms/set.ts'
import split from '../../src/transforms/split.ts'
import { pathText, plainPathText, recordText } from '../record/arbitrary.ts'
import { scaled } from '../support/scale.ts'
import { checkStage, withDefaults } from './stage.ts'

/**
 * Chains of transforms against two models: plain objects, and the same transforms one by one, each on
 * the lines that the one before has written. Between two stages of a chain nothing may be lost, seen
 * twice or seen too late because it is only an edit.
 */

interface Step {
  readonly declaration: TransformDeclaration
  readonly config: { readonly [key: string]: unknown }
}

const MAX_DEPTH = 12
const DECLARATIONS: { readonly [type: string]: TransformDeclaration } = {
  set,
  rename,
  remove,
  keep,
  redact,
  filter,
  parse,
  split,
}

function step({ type, ...config }: { readonly type: string; readonly [key: string]: unknown }): Step {
  const declaration = DECLARATIONS[type]
  assert.ok(declaration)
  return { declaration, config }
}

async function run(steps: readonly Step[], lines: readonly string[]): Promise<DryRun> {
  const runner = await openDryRunner({
    name: 'test',
    folder: '/',
    limits: { ...defaultLimits, maxDepth: MAX_DEPTH },
    transforms: steps.map(({ declaration, config }, at) => ({
      declaration,
      config: withDefaults(declaration, config),
      stage: `${declaration.type}${at}`,
    })),
  })
  try {
    return await runner.run(Buffer.from(lines.map((line) => `${line}\n`).join('')))
  } finally {
    await runner.close()
  }
}

/** Each rejected record: its code and its text. */
function rejectsOf({ rejects, batches }: DryRun): string[] {
  const texts = new Map(batches.after.flatMap((batch) => batch.rejects.map((reject) => [reject, batch] as const)))
  return rejects.map(
    (reject) => `${reject.line} ${reject.code} ${minified(texts.get(reject)?.line(reject.record) ?? '')}`,
  )
}

function minified(line: Buffer | string): string {
  return minify(Buffer.from(line)).toString('latin1')
}

async function isValid({ declaration, config }: Step): Promise<boolean> {
  const findings: Finding[] = await checkStage(declaration, config)
  return findings.every(({ severity = 'error' }) => severity !== 'error')
}

const value = fc.constantFrom<Json>(
  1,
  'x',
  '',
  null,
  true,
  {},
  { a: 1, b: { c: 'deep' } },
  [1, { a: 2 }],
  'password=hunter22',
)
const target = fc.oneof(plainPathText, fc.constantFrom('n', 'n.a', 'n.b.c', 'c.n', 'to', 'password'))
const sets = fc.record({
  type: fc.constant('set'),
  members: fc.array(
    fc.oneof(
      fc.record({ path: target, value, ifAbsent: fc.boolean() }),
      fc.record({ path: target, from: target, ifAbsent: fc.boolean() }),
    ),
    { minLength: 1, maxLength: 4 },
  ),
})
const renames = fc.record({
  type: fc.constant('rename'),
  members: fc.array(fc.record({ from: target, to: target }), { minLength: 1, maxLength: 4 }),
  existing: fc.constantFrom('reject', 'replace'),
})
const plainPaths = fc.uniqueArray(target, { minLength: 1, maxLength: 4 })
const masks = plainPaths.map((paths) => ({
  type: 'redact',
  preset: 'none',
  rules: paths.map((path) => ({ path, action: 'mask' })),
}))
const filters = fc.record({ type: fc.constant('filter'), drop: target.map((path) => ({ [path]: 'x' })) })
const plainSteps = fc.oneof(
  { weight: 4, arbitrary: sets },
  { weight: 4, arbitrary: renames },
  { weight: 2, arbitrary: plainPaths.map((paths) => ({ type: 'remove', paths })) },
  { weight: 1, arbitrary: plainPaths.map((paths) => ({ type: 'keep', paths })) },
  { weight: 1, arbitrary: masks },
  { weight: 1, arbitrary: filters },
)
const records = fc.array(recordText, { minLength: 1, maxLength: 4 })

/** Plain data: what JSON.parse returns, to be changed. */
interface Members {
  [key: string]: unknown
}
/** A record, or why it ends. */
type Outcome = Members | 'PATH_BLOCKED' | 'KEY_EXISTS' | 'TOO_DEEP' | 'dropped'

test('chains do what objects would do', async () => {
  let rejected = 0
  let written = 0
  await fc.assert(
    fc.asyncProperty(fc.array(plainSteps, { minLength: 1, maxLength: 5 }), records, async (chain, lines) => {
      const steps = chain.map(step)
      for (const one of steps) fc.pre(await isValid(one))
      const result = await run(steps, lines)
      const expected = lines.map((line) => chain.reduce<Outcome>(applyStep, parsed(line)))
      assert.deepEqual(
        result.output.map((line): unknown => JSON.parse(line)),
        expected.filter((outcome) => typeof outcome === 'object'),
      )
      const codes = expected.flatMap((outcome) => (typeof outcome === 'string' && outcome !== 'dropped' ? outcome : []))
      assert.deepEqual(
        result.rejects.map(({ code }) => code),
        codes,
      )
      rejected += codes.length
      written += result.output.length
    }),
    { numRuns: scaled(400) },
  )
  assert.ok(rejected > 15 && written > 100, `${rejected} rejected, ${written} written`)
})

const anyPaths = fc.uniqueArray(fc.oneof(target, pathText), { minLength: 1, maxLength: 4 })
const templates = fc.record({
  type: fc.constant('set'),
  members: fc
    .tuple(target, target, target)
    .map(([path, one, two]) => [{ path, template: `{record.${one}} "{record.${two}}\\ {pipeline}` }]),
  missing: fc.constantFrom('skip', 'reject'),
})
const texts = fc.constant({
  type: 'set',
  members: [
    { path: 'n', value: '{"x":"a=1 b=2","c":{"n":[{"x":"[]"},{"x":"{"}]},"password":"hunter22"}' },
    { path: 'to', value: [{ x: '{"a":1}' }, { x: 'a=1', c: null }] },
  ],
})
const parseTarget = fc.constantFrom('n', 'x', 'n.x', 'to', 'a')
const parses = fc.record(
  {
    type: fc.constant('parse'),
    path: parseTarget,
    onError: fc.constantFrom('reject', 'leave', 'leave'),
    format: fc.constantFrom('json', 'json', 'keyValue'),
    merge: fc.boolean(),
    to: target,
  },
  { requiredKeys: ['type', 'path', 'onError'] },
)
const splits = fc.record(
  {
    type: fc.constant('split'),
    path: fc.oneof(fc.constantFrom('to', 'n.c.n', 'c.n'), target),
    copy: fc.uniqueArray(fc.oneof(parseTarget, target), { maxLength: 2 }),
    as: target,
    index: fc.constant('number'),
    empty: fc.constantFrom('keep', 'drop'),
  },
  { requiredKeys: ['type', 'path', 'copy'] },
)
const anySteps = fc.oneof(
  { weight: 4, arbitrary: texts },
  { weight: 6, arbitrary: parses },
  { weight: 4, arbitrary: splits },
  { weight: 6, arbitrary: plainSteps },
  { weight: 2, arbitrary: templates },
  { weight: 1, arbitrary: anyPaths.map((paths) => ({ type: 'remove', paths })) },
  { weight: 1, arbitrary: anyPaths.map((paths) => ({ type: 'keep', paths })) },
  {
    weight: 1,
    arbitrary: anyPaths.map((paths) => ({
      type: 'redact',
      preset: 'none',
      rules: paths.map((path, at) => ({ path, action: at % 2 === 0 ? 'mask' : 'drop' })),
    })),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'redact', preset: 'secrets' }) },
)

test('a stage sees what the stages before it have written, byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anySteps, { minLength: 2, maxLength: 5 }), records, async (chain, lines) => {
      const steps = chain.map(step)
      for (const one of steps) fc.pre(await isValid(one))
      const together = await run(steps, lines)
      const { output, rejects } = await oneByOne(steps, lines)
      assert.deepEqual(together.output.map(minified), output.map(minified))
      assert.deepEqual(rejectsOf(together).toSorted(), rejects.toSorted())
    }),
    { numRuns: scaled(400) },
  )
})

/** Runs each record alone through one step after the other, as text. */
async function oneByOne(steps: readonly Step[], lines: readonly string[]) {
  const output: string[] = []
  const rejects: string[] = []
  for (const [at, line] of lines.entries()) {
    let left: { readonly text: string; readonly code?: string }[] = [{ text: line }]
    for (const one of steps) {
      const next: typeof left = []
      for (const { text, code } of left) {
        // Rejected records pass all later stages, but only redact changes them.
        const result = code === undefined || one.declaration.type === 'redact' ? await run([one], [text]) : undefined
        const rejected = code ?? result?.rejects[0]?.code
        if (rejected !== undefined) next.push({ text: result?.output[0] ?? text, code: rejected })
        else for (const made of result?.output ?? []) next.push({ text: made })
      }
      left = next
    }
    for (const { text, code } of left) {
      if (code === undefined) output.push(text)
      else rejects.push(`${at + 1} ${code} ${minified(text)}`)
    }
  }
  return { output, rejects }
}

/** All configurations above have these settings, or some of them. */
interface Settings {
  readonly type: string
  readonly members?: readonly Member[]
  readonly existing?: string
  readonly paths?: readonly string[]
  readonly rules?: readonly { readonly path: string }[]
  readonly drop?: { readonly [path: string]: unknown }
}

interface Member {
  readonly path?: string
  readonly value?: unknown
  readonly from?: string
  readonly ifAbsent?: boolean
  readonly to?: string
}

function applyStep(
  outcome: Outcome,
  { type, members = [], existing, paths = [], rules = [], drop }: Settings,
): Outcome {
  if (typeof outcome === 'string') return outcome
  const record = structuredClone(outcome)
  if (type === 'set') return setAll(record, members)
  if (type === 'rename') return renameAll(record, members, existing === 'replace')
  if (type === 'keep') return kept(record, paths.map(keysOf))
  if (type === 'filter')
    return Object.entries(drop ?? {}).every(([path, x]) => valueAt(record, keysOf(path)) === x) ? 'dropped' : record
  for (const path of paths) removeAt(record, keysOf(path))
  for (const { path } of rules)
    if (valueAt(record, keysOf(path)) !== undefined) define(record, keysOf(path), '[redacted]')
  return record
}

function setAll(record: Members, members: readonly Member[]): Outcome {
  const puts = members.flatMap(({ path = '', value: constant, from, ifAbsent }): NewValue[] => {
    const keys = keysOf(path)
    if (ifAbsent === true && valueAt(record, keys) !== undefined) return []
    const found = from === undefined ? constant : valueAt(record, keysOf(from))
    return found === undefined ? [] : [{ keys, value: structuredClone(found) }]
  })
  return putAll(record, puts)
}

function renameAll(record: Members, members: readonly Member[], replaces: boolean): Outcome {
  const moves = members.map(({ from = '', to = '' }) => ({ from: keysOf(from), to: keysOf(to) }))
  const found = new Map<object, unknown>()
  for (const move of moves.toSorted((a, b) => b.from.length - a.from.length)) {
    const moved = valueAt(record, move.from)
    if (moved === undefined) continue
    found.set(move, moved)
    removeAt(record, move.from)
  }
  const puts = moves.flatMap((move) => (found.has(move) ? [{ keys: move.to, value: found.get(move) }] : []))
  if (!replaces && puts.some(({ keys }) => valueAt(record, keys) !== undefined)) return 'KEY_EXISTS'
  return putAll(record, puts)
}

interface NewValue {
  readonly keys: readonly string[]
  readonly value: unknown
}

function putAll(record: Members, puts: readonly NewValue[]): Outcome {
  for (const { keys } of puts) {
    const above = keys.map((_, at) => valueAt(record, keys.slice(0, at))).findLast((inner) => inner !== undefined)
    if (above !== null && !isMembers(above)) return 'PATH_BLOCKED'
  }
  for (const put of puts) define(record, put.keys, put.value)
  return depthOf(record) > MAX_DEPTH ? 'TOO_DEEP' : record
}

function define(record: Members, keys: readonly string[], member: unknown): void {
  const [key = '', ...inner] = keys
  const known = Object.hasOwn(record, key) ? record[key] : undefined
  const holder: Members = isMembers(known) ? known : {}
  if (inner.length > 0) define(holder, inner, member)
  Object.defineProperty(record, key, {
    value: inner.length > 0 ? holder : member,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

function removeAt(record: Members, keys: readonly string[]): void {
  const holder = valueAt(record, keys.slice(0, -1))
  if (isMembers(holder)) delete holder[keys.at(-1) ?? '']
}

/** What a list of paths leaves of an object. */
function kept(record: Members, paths: readonly (readonly string[])[]): Members {
  const entries = Object.entries(record).flatMap(([key, member]): [string, unknown][] => {
    const inside = paths.filter(([first]) => first === key).map(([, ...inner]) => inner)
    if (inside.some((inner) => inner.length === 0)) return [[key, member]]
    return inside.length > 0 && isMembers(member) ? [[key, kept(member, inside)]] : []
  })
  return Object.fromEntries(entries)
}

function valueAt(record: Members, keys: readonly string[]): unknown {
  let found: unknown = record
  for (const key of keys) found = isMembers(found) && Object.hasOwn(found, key) ? found[key] : undefined
  return found
}

function keysOf(path: string): readonly string[] {
  return parsePath(path).flatMap((segment) => (segment.kind === 'keys' ? segment.keys : []))
}

function depthOf(inner: unknown): number {
  if (typeof inner !== 'object' || inner === null) return 0
  return 1 + Math.max(0, ...Object.values(inner).map(depthOf))
}

function parsed(line: string): Members {
  const record: Members = JSON.parse(line)
  return record
}

function isMembers(inner: unknown): inner is Members {
  return typeof inner === 'object' && inner !== null && !Array.isArray(inner)
}

test('redact makes a pseudonym of a value that set has written over another one', async () => {
  const chain = [
    { type: 'set', members: [{ path: 'user', from: 'email' }] },
    { type: 'redact', preset: 'none', rules: [{ path: 'user', action: 'hmac', key: 'k'.repeat(32) }] },
  ]
  const { output } = await run(chain.map(step), ['{"user":1,"email":"ann"}', '{"email":"ann"}'])
  const [one, other] = output.map((line): unknown => parsed(line)['user'])
  assert.match(String(one), /^hmac:[0-9a-f]{32}$/)
  assert.equal(one, other)
})

test('redact finds a secret in a text that set has made, and a secret name beside a value', async () => {
  const chain = [
    {
      type: 'set',
      members: [
        { path: 'text', template: 'password={record.a}' },
        { path: 'name', value: 'Authorization' },
      ],
    },
    { type: 'redact' },
  ]
  const { output } = await run(chain.map(step), ['{"a":"hunter22","value":"abc"}'])
  assert.deepEqual(parsed(output[0] ?? ''), {
    a: 'hunter22',
    value: '[redacted]',
    text: 'password=[redacted]',
    name: 'Authorization',
  })
})

test('members that set puts into an object move with it, and decide about the record', async () => {
  const chain = [
    { type: 'set', members: [{ path: 'a.b', value: 'x' }] },
    { type: 'rename', members: [{ from: 'a', to: 'c' }] },
    { type: 'keep', paths: ['c.b'] },
    { type: 'filter', keep: { 'c.b': 'x' } },
  ]
  const { output } = await run(chain.map(step), ['{"a":{"z":1},"n":1}', '{"a":null}', '{"c":1}'])
  assert.deepEqual(output, ['{"c":{"b":"x"}}', '{"c":{"b":"x"}}'])
})
