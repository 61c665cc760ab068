import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { declared, openParallel, textIn } from './parallel-project.ts'

/** Every way to change, drop, reject and add records, and time that differs from batch to batch. */
const MIXED = declared(`
  let held = 0
  return {
    async transform(record) {
      const id = record.get('id')
      if (id % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, (id / 1000) % 7))
      held++
      if (id % 11 === 1) return null
      if (id % 11 === 2) return record.reject('ODD', 'number eleven')
      if (id % 11 === 3) throw new TypeError('content of a record')
      if (id % 11 === 4) return [record, { ...record.value, copy: 'é' }]
      if (id % 11 === 5) return record.set('user.name', 'ann "a"')
      if (id % 11 === 6) return record.set('deep.x', [1]).set('last', null)
      if (id % 11 === 7) return record.delete('pad')
      if (id % 11 === 8) return 'no outcome'
      return record
    },
    flush() {
      const count = held
      held = 0
      return { kind: 'count', count }
    },
  }`)

test('threads give the same records, rejects and counts as one, in the same order', async (t) => {
  const edits =
    '- { type: set, members: [{ path: seen, value: true }] }\n  - { type: redact, rules: [{ path: user.id, action: mask }] }'
  const results = await Promise.all(
    [1, 3].map(async (parallel) => {
      const workspace = await openParallel(t, { transform: MIXED, parallel, before: edits })
      const { read, added, written, dropped, rejected } = await workspace.report(['run', 'p'])
      return {
        counts: { read, added, written, dropped, rejected },
        output: await textIn(workspace, 'out'),
        rejects: await textIn(workspace, 'rejects'),
      }
    }),
  )
  const [one, several] = results
  assert.ok(one.output.length > 1_200_000, 'several batches')
  assert.deepEqual(several.counts, one.counts)
  assert.equal(several.output === one.output, true, 'the output is the same')
  assert.equal(withoutDigests(several.rejects) === withoutDigests(one.rejects), true, 'the rejects are the same')
})

/** Each state has a key of its own for them. */
function withoutDigests(text: string): string {
  return text.replaceAll(/"digest":"\w+"/g, '')
}

test('instances get options, secrets and the state key, may log, and are closed once each', async (t) => {
  const transform = `
import { defineTransform, Secret, Type } from 'sluice'
import { appendFileSync } from 'node:fs'
export default defineTransform({
  summary: 'For a test.', parallel: true,
  fields: { token: Secret({ description: 'A secret.' }), file: Type.String({ description: 'A file.' }) },
  create({ token, file }, { path, note, hashKey, stage, pipeline, folder }) {
    const id = path('id')
    note('made with ' + token + ' ' + hashKey.length + ' ' + stage + ' ' + pipeline + ' ' + folder.endsWith('pipelines'))
    return { transform: (record) => record.set('twice', 2 * record.get(id)), close: () => appendFileSync(file, 'closed\\n') }
  },
})`
  const options = "token: '${env:T_TOKEN}'\n    file: '${env:T_FILE}'"
  const workspace = await openParallel(t, { transform, parallel: 2, options })
  const file = workspace.path('closed')
  const env = { T_TOKEN: 'top-secret-0123456789', T_FILE: file }
  const { code, stderr } = await workspace.sluice(['run', 'p'], { env })
  assert.equal(code, 0, stderr)
  assert.equal(stderr.match(/made with (?!top).* 16 t p true/g)?.length, 2)
  assert.equal(await readFile(file, 'utf8'), 'closed\nclosed\n')
  assert.match(await textIn(workspace, 'out'), /"id" : 5,.*"twice":10\}/)
})

test('a thread does not compile what the main thread has compiled', async (t) => {
  const transform = `
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
${declared(`
  const compilers: number = Object.keys(createRequire(import.meta.url).cache).filter((name) => /babel/.test(name)).length
  return (record) => record.set('where', isMainThread ? 'main' : 'thread').set('compilers', compilers)`)}`
  const workspace = await openParallel(t, { transform, parallel: 2, count: 10 })
  await workspace.report(['run', 'p'])
  assert.match(await textIn(workspace, 'out'), /"where":"thread","compilers":0\}\n$/)
})

test('threads end when another transform cannot be created', async (t) => {
  const imports = `import { appendFileSync, readFileSync } from 'node:fs'`
  const closing = declared(`
    const file = process.env.T_FILE
    appendFileSync(file, 'created\\n')
    return { transform: (record) => record, close: () => appendFileSync(file, 'closed\\n') }`)
  const workspace = await openParallel(t, {
    transform: `${imports}\n${closing}`,
    parallel: 2,
    count: 10,
    after: '- { type: ../transforms/bad.ts }',
  })
  const failing = `
import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'For a test.', fields: {}, async create() {
  while (readFileSync(process.env.T_FILE, 'utf8') !== 'created\\ncreated\\n') await new Promise(setImmediate)
  throw new TypeError('when both threads have started')
} })`
  await workspace.write('transforms/bad.ts', `${imports}\n${failing}`)
  await workspace.write('created-and-closed', '')
  const file = workspace.path('created-and-closed')
  const { code, stderr } = await workspace.sluice(['run', 'p'], { env: { T_FILE: file } })
  assert.equal(code, 2)
  assert.match(stderr, /COMPONENT_LOAD_FAILED: transform bad could not be created/)
  assert.doesNotMatch(stderr, /left something open/)
  assert.equal(await readFile(file, 'utf8'), 'created\ncreated\nclosed\nclosed\n')
})

test('what cannot be parallel is refused, and says why', async (t) => {
  const workspace = await openParallel(t, { transform: 'export default (record) => record', parallel: 2, count: 10 })
  const { code, stdout } = await workspace.sluice(['check', 'p'])
  assert.equal(code, 2)
  assert.match(stdout, /p.yaml:6:15 error: transform \S*t\S*: ..\/transforms\/t.ts does not declare `parallel: true`/)
  await workspace.write(
    'transforms/t.ts',
    declared(
      `const { Transform } = require('node:stream'); return { duplex: () => new Transform({ objectMode: true }) }`,
    ),
  )
  const duplex = await workspace.sluice(['run', 'p'])
  assert.equal(duplex.code, 2)
  assert.match(duplex.stderr, /CONFIG_INVALID: transform t is not a function: it cannot be parallel/)
  await workspace.write('transforms/t.ts', declared(`throw new TypeError('at the start')`))
  assert.match((await workspace.sluice(['run', 'p'])).stderr, /COMPONENT_LOAD_FAILED: transform t could not be created/)
})

test('tests, preview and workers of a backfill run a parallel transform in their own thread', async (t) => {
  const workspace = await openParallel(t, {
    transform: declared(`return (record) => record.set('a', 1)`),
    parallel: 4,
    count: 2000,
  })
  assert.match((await workspace.sluice(['preview', 'p', '--limit', '1'])).stdout, /a/)
  const report = await workspace.report(['backfill', 'p', 'in.ndjson', '--workers', '2', '--shard-size', '50KiB'])
  assert.equal(report.written, 1996)
})
