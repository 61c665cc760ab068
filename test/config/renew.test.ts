import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import { until } from '../support/until.ts'

const SOURCE = `import { defineSource, Secret } from 'sluice'
export default defineSource({
  summary: 'Says which key it has.',
  repeats: false,
  fields: { key: Secret({ description: 'The key.' }) },
  examples: [],
  create: (config, { renewal }) => ({
    async *read({ note, signal }) {
      let last
      for (let refused = false; !signal.aborted; refused = !refused) {
        const { config: latest, problem } = (await renewal?.latest({ refused })) ?? { config }
        const said = [latest.key.length, problem ?? 'usable', latest === last].join(' ')
        if (latest !== last || problem) note('the key has', { said, key: latest.key })
        last = latest
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
  }),
})
`

void test('a source of a project gets new keys, and the same configuration while a file is not usable', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('sources/key.mjs', SOURCE)
  await workspace.write('key', 'the first key\n')
  await workspace.write(
    'pipelines/p.yaml',
    "source: { type: ../sources/key.mjs, key: '${file:../key}' }\nsink: { type: file, path: out, key: all }\n",
  )
  const run = workspace.start(['run', 'p', '--follow'])
  await until(() => run.output.stderr.includes('13 usable'), run)
  await workspace.write('key', ' \n')
  await until(() => run.output.stderr.includes('13 the secret consists of blanks true'), run)
  await workspace.write('key', 'another key\r\n')
  await until(() => run.output.stderr.includes('11 usable false'), run)
  run.kill('SIGTERM')
  const { stderr } = await run.ended
  assert.doesNotMatch(stderr, /the first key|another key/)
})
