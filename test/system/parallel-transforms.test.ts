import assert from 'node:assert/strict'
import { test } from 'node:test'
import { declared, openParallel, textIn } from '../runtime/parallel-project.ts'

const deaths: readonly (readonly [title: string, statement: string, message: RegExp])[] = [
  ['exits', 'process.exit(3)', /WORKER_LOST: a thread of stage t died: it ended with status 3/],
  [
    'throws outside of a call',
    `setTimeout(() => { throw new TypeError('secret content') }); return new Promise(() => setInterval(() => {}, 1000))`,
    /WORKER_LOST: a thread of stage t died: TypeError at t.ts/,
  ],
  ['never resolves its promise', 'return new Promise(() => {})', /COMPONENT_STALLED: transform t never finished/],
]

for (const [title, statement, message] of deaths) {
  test(`a thread that ${title} fails the run by its name, and nothing is lost`, async (t) => {
    const dying = declared(
      `return (record) => { if (record.get('id') === 3000) { ${statement} } return record.set('a', 1) }`,
    )
    const workspace = await openParallel(t, { transform: dying, parallel: 2 })
    const { code, stderr } = await workspace.sluice(['run', 'p'])
    assert.notEqual(code, 0)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /secret content/)
    await workspace.write('transforms/t.ts', declared(`return (record) => record.set('a', 1)`))
    await workspace.report(['run', 'p'])
    const ids = (await textIn(workspace, 'out'))
      .split('\n')
      .filter(Boolean)
      .map((line) => Number(/"id" : (\d+)/.exec(line)?.[1]))
    assert.equal(ids.length, 4000 - 8)
    assert.equal(new Set(ids).size, ids.length)
  })
}

test('a thread that runs out of memory fails the run by its name', async (t) => {
  const hungry = declared(
    `const all = []; return (record) => { for (;;) all.push(new Array(1e5).fill(record.get('id') + 0.5)) }`,
  )
  const workspace = await openParallel(t, { transform: hungry, parallel: 2, count: 100 })
  const { code, stderr } = await workspace.sluice(['run', 'p'], { node: ['--max-old-space-size=64'] })
  assert.equal(code, 1)
  assert.match(stderr, /WORKER_LOST: a thread of stage t died: it ran out of memory/)
})

test('a failure ends threads that are at work, and the transform that stops the run is named', async (t) => {
  const stopping = declared(`return (record) => {
    if (record.get('id') === 3) throw new RangeError('content')
    if (record.get('id') > 1500) for (;;);
    return record
  }`)
  const workspace = await openParallel(t, { transform: stopping, parallel: 2, options: 'onError: stop' })
  const { code, stderr } = await workspace.sluice(['run', 'p'])
  assert.equal(code, 1)
  assert.match(stderr, /TRANSFORM_FAILED: stage t: RangeError at t.ts:\d+/)
})
