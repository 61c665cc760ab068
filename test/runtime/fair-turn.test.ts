import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openPipeline, subscribe } from '../../src/index.ts'
import { openWorkspace } from '../support/command.ts'

/** Has all its data in memory, as a page of an API. With `idle` it waits for a turn before each chunk. */
const SOURCE = `import { defineSource, Type } from 'sluice'
export default defineSource({
  summary: 'A busy source.',
  repeats: false,
  fields: {
    chunks: Type.Integer({ description: 'Number of chunks.' }),
    idle: Type.Boolean({ default: false, description: 'Waits before each chunk.' }),
  },
  examples: [],
  create: ({ chunks, idle }) => ({
    async *read() {
      for (let i = 0; i < chunks; i++) {
        if (idle) await new Promise((resolve) => setImmediate(resolve))
        yield { bytes: Buffer.from('{"id":1}\\n'.repeat(100)), position: i }
      }
    },
  }),
})
`

void test('busy pipelines of one process share it, and do not hold up a slow one', async (t) => {
  const order = await runTogether(t, { a: '{ chunks: 500 }', b: '{ chunks: 500 }', slow: '{ chunks: 60, idle: true }' })
  const names = ['a', 'b', 'slow']
  // While all of them read.
  const shared = order.slice(
    Math.max(...names.map((name) => order.indexOf(name))),
    Math.min(...names.map((name) => order.lastIndexOf(name))) + 1,
  )
  assert.ok(shared.length > 60, `${shared.length} batches while all of them read`)
  for (const name of names) assert.ok(longestWait(shared, name) <= 8, `${name}: ${longestWait(shared, name)}`)
  const [a, b] = ['a', 'b'].map((name) => shared.filter((one) => one === name).length)
  assert.ok(Math.max(a, b) <= 2 * Math.min(a, b), `${a} batches of a, ${b} of b`)
})

void test('timers and sockets get their turn while a busy pipeline is alone', async (t) => {
  let [turns, batches] = [0, 0]
  let timer: NodeJS.Immediate | undefined
  const count = (): void => {
    turns++
    timer = setImmediate(count)
  }
  count()
  t.after(() => clearImmediate(timer))
  t.after(
    subscribe(
      'sluice:delivery:batch',
      () => {
        if (batches++ === 0) turns = 0
      },
      { pipeline: 'a' },
    ),
  )
  await runTogether(t, { a: '{ chunks: 500 }' })
  assert.ok(turns >= 500 / 16, `${turns} turns`)
})

/** Runs pipelines at once. Returns their names, one for each batch that was delivered, in order. */
async function runTogether(t: TestContext, sources: { readonly [name: string]: string }): Promise<string[]> {
  const workspace = await openWorkspace(t)
  await workspace.write('sources/busy.mjs', SOURCE)
  const order: string[] = []
  const opened = await Promise.all(
    Object.entries(sources).map(async ([name, options]) => {
      // Nothing is written: nothing waits for the disk.
      await workspace.write(
        `pipelines/${name}.yaml`,
        `source: ${options.replace('{', '{ type: ../sources/busy.mjs,')}
transforms: [{ type: filter, keep: { id: 2 } }]
sink: { type: file, path: out, key: all, compression: none }
`,
      )
      t.after(subscribe('sluice:delivery:batch', () => void order.push(name), { pipeline: name }))
      return openPipeline(name, { folder: workspace.folder })
    }),
  )
  await Promise.all(opened.map((pipeline) => pipeline.run()))
  return order
}

/** The most batches of others between two of one. */
function longestWait(order: readonly string[], name: string): number {
  const places = order.flatMap((one, at) => (one === name ? [at] : []))
  return Math.max(...places.slice(1).map((at, i) => at - (places[i] ?? 0) - 1))
}
