import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { Report } from '../../src/observe/report.ts'
import { openWorkspace } from '../support/command.ts'

/** What `read` does after it has yielded one record, and the message of the run. */
const FAILURES: { readonly [name: string]: readonly [string, RegExp] } = {
  'throws null': ['throw null', /failed: null$/m],
  'throws an object without a prototype': ['throw Object.create(null)', /a value was thrown that cannot be printed/],
  'throws an object that cannot be text': ['throw { toString() { throw 1 } }', /cannot be printed/],
  'throws an error whose message throws': [
    `throw Object.defineProperty(new Error('x'), 'message', { get() { throw 1 } })`,
    /cannot be printed/,
  ],
  'throws an error whose message is no text': [
    `throw Object.assign(new Error(), { message: 7 })`,
    /failed: Error: 7$/m,
  ],
  'throws a proxy with traps': [`throw new Proxy({}, { get() { throw new Error('trap') } })`, /cannot be printed/],
  'yields null': ['yield null', /source \.\/s\.ts yielded a value that is not a chunk\n {2}yield chunks such as/],
  'yields records that are no array': ['yield { records: { id: 2 } }', /whose `records` are not an array/],
  'yields bytes that are text': [`yield { bytes: '{"id":2}' }`, /whose `bytes` are not a Buffer/],
  'yields a position that contains itself': [
    'const position = {}; position.own = position; yield { records: [{ id: 2 }], position }',
    /a `position` that is not JSON/,
  ],
  'yields a position that is a bigint': ['yield { records: [{ id: 2 }], position: 5n }', /`position` that is not JSON/],
}

describe(
  'a source that fails in an odd way fails the run as a source, after its good records',
  { concurrency: 2 },
  () => {
    for (const [name, [code, text]] of Object.entries(FAILURES)) {
      test(name, async (t) => {
        const workspace = await openWorkspace(t)
        await writeSource(workspace, `async *read() { yield { records: [{ id: 1 }] }\n${code} }`)
        const { code: status, stderr } = await workspace.sluice(['run', 'p', '--report', 'r.json'])
        assert.match(stderr, text)
        assert.match(stderr, /^sluice: SOURCE_FAILED: /m)
        assert.equal(status, 3)
        const report: Report = JSON.parse(await readFile(workspace.path('r.json'), 'utf8'))
        assert.deepEqual([report.read, report.written, report.error?.code], [1, 1, 'SOURCE_FAILED'])
      })
    }
  },
)

test('a source whose read throws or returns no async iterable fails the run as a source', async (t) => {
  const workspace = await openWorkspace(t)
  for (const [read, text] of [
    [`read() { throw new Error('at once') }`, /^sluice: SOURCE_FAILED: .*at once$/m],
    ['read() { return [{ records: [] }] }', /^sluice: SOURCE_FAILED: read of source .* returned no async iterable$/m],
    ['read() {}', /^sluice: SOURCE_FAILED: read of source .* returned no async iterable$/m],
  ] as const) {
    await writeSource(workspace, read)
    const { code, stderr } = await workspace.sluice(['run', 'p'])
    assert.match(stderr, text)
    assert.equal(code, 3)
  }
})

test('an iterator whose return throws, or returns no promise, does not fail a complete run', async (t) => {
  const workspace = await openWorkspace(t)
  for (const end of [`throw new Error('return')`, 'return 5', 'return Promise.reject(null)']) {
    await writeSource(
      workspace,
      `read() {
        let done = false
        const next = async () => done ? { done } : ((done = true), { done: false, value: { records: [{ id: 1 }] } })
        return { [Symbol.asyncIterator]: () => ({ next, return() { ${end} } }) }
      }`,
    )
    const report = await workspace.report(['run', 'p'])
    assert.deepEqual([report.outcome, report.written], ['done', 1])
  }
})

test('an error that is its own cause is printed once', async (t) => {
  const workspace = await openWorkspace(t)
  await writeSource(workspace, `async *read() { const e = new Error('loop'); e.cause = e; throw e }`)
  const { stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(stderr.match(/ {2}cause: /g)?.length, 1, stderr)
})

async function writeSource(workspace: Awaited<ReturnType<typeof openWorkspace>>, read: string): Promise<void> {
  await workspace.write(
    'pipelines/s.ts',
    `import { defineSource } from 'sluice'
export default defineSource({ summary: 'Is odd.', repeats: false, fields: {}, create: () => ({ ${read} }) } as never)
`,
  )
  await workspace.write('pipelines/p.yaml', 'source: { type: ./s.ts }\nsink: { type: file, path: out }\n')
}
