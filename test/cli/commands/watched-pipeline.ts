import { writeFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import type { RunningCommand, Workspace } from '../../support/command.ts'

/**
 * A source that yields 100 records every few milliseconds until there is a file `stop`. Their spelling is
 * not that of JSON.stringify.
 */
const SOURCE = `import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineSource } from 'sluice'
async function* read({ position }) {
  let id = position('all') ?? 0
  while (!existsSync('stop')) {
    let lines = ''
    for (let n = 0; n < 100; n++) lines += '{"id": ' + id++ + ',"secret":"s3cret","n":1.0,"text":"' + 'x'.repeat(100) + '"}\\n'
    yield { bytes: Buffer.from(lines), partition: 'all', position: id }
    await sleep(2)
  }
}
export default defineSource({ summary: 'Endless.', repeats: false, fields: {}, examples: [], create: () => ({ read }) })
`

const TRANSFORMS = `  - { type: filter, where: 'record.id % 2 == 0' }
  - { type: redact, preset: none, rules: [{ path: secret, action: mask, with: hidden }] }
  - { type: compute, members: [{ path: twice, value: record.id * 2 }] }
`

export interface WatchedPipeline {
  readonly workspace: Workspace
  /** Starts the run; resolves when it can be asked. */
  readonly start: (args?: readonly string[]) => Promise<RunningCommand>
  /** Lets the source end. */
  readonly stop: () => Promise<void>
}

export async function openWatched(t: TestContext, transforms = TRANSFORMS): Promise<WatchedPipeline> {
  const workspace = await openWorkspace(t)
  await workspace.write('endless.js', SOURCE)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: ../endless.js }\ntransforms:\n${transforms}sink: { type: file, path: out, roll: { maxAge: 1s } }\n`,
  )
  return {
    workspace,
    async start(args = ['run', 'p']) {
      const running = workspace.start(args)
      await Promise.race([answers(workspace), running.ended.then(({ stderr }) => Promise.reject(new Error(stderr)))])
      return running
    },
    stop: () => writeFile(workspace.path('stop'), ''),
  }
}

const WAIT = `import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Waits.', parallel: true, fields: {}, examples: [],
  create: () => async (record) => { while (!existsSync('go')) await sleep(5); return record },
})
`

/** A pipeline `p` with more than four shards, whose records wait for a file `go`. */
export async function openDivided(t: TestContext): Promise<{ workspace: Workspace; start: () => RunningCommand }> {
  const workspace = await openWorkspace(t)
  await workspace.write('wait.js', WAIT)
  for (const name of ['a', 'b', 'c', 'd']) await workspace.write(`in/${name}.ndjson`, '{"id":1}\n'.repeat(100))
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: none.ndjson }\ntransforms: [{ type: ../wait.js }]\nsink: { type: file, path: out }\n',
  )
  const args = ['backfill', 'p', 'in/*.ndjson', '--workers', '2', '--shard-size', '100B']
  return { workspace, start: () => workspace.start(args) }
}

async function answers(workspace: Workspace): Promise<void> {
  for (;;) {
    const { code, stderr } = await workspace.sluice(['top', 'p', '--once', '--json'])
    if (code === 0) return
    if (!/NOT_RUNNING|STATE_NOT_FOUND|STATE_IN_USE/.test(stderr)) throw new Error(stderr)
  }
}
