import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../servers/jumpcloud.ts'
import { HOUR } from '../../src/time.ts'
import { openWorkspace } from './command.ts'
import type { RunningCommand, Workspace } from './command.ts'
import { until } from './until.ts'

/** The whole range of events of the server. Its clock stands still within it. */
const RANGE = 10 * HOUR

/** A collector of a JumpCloud server whose clock the test moves. */
export interface Collector {
  readonly api: JumpCloudServer
  readonly workspace: Workspace
  /** Starts `sluice run p --follow`. */
  follow(args?: readonly string[]): RunningCommand
  /** Writes the pipeline file with other options. */
  change(options: CollectorOptions): Promise<void>
  /** Moves the clock of the server, so that more events are there. */
  advance(): void
  /** Resolves when all events that the server shows are in the output. */
  caughtUp(run: RunningCommand): Promise<void>
  /** The ids in the output, as often as they are there. */
  ids(): Promise<string[]>
  /** The records in the output. */
  records(): Promise<OutputRecord[]>
}

interface OutputRecord {
  readonly [name: string]: unknown
}

interface CollectorOptions {
  /** The lines of the source that say who asks. */
  readonly auth: string
  readonly transforms?: string
  readonly more?: string
}

export async function openCollector(t: TestContext, options: CollectorOptions): Promise<Collector> {
  const end = Date.now() - HOUR
  const start = end - RANGE
  const api = await startJumpCloudServer({ now: start + HOUR, frozen: true, start, end, events: 400 })
  t.after(() => api.close())
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipelineOf(api, options))
  const records = async () =>
    (await linesBelow(workspace.path('out'))).map((line) => {
      const record: OutputRecord = JSON.parse(line)
      return record
    })
  const ids = async () => (await records()).map(({ id }) => String(id))
  return {
    api,
    workspace,
    records,
    ids,
    follow: (args = []) => workspace.start(['run', 'p', '--follow', ...args], { detached: true }),
    change: async (next) => void (await workspace.write('pipelines/p.yaml', pipelineOf(api, next))),
    advance: () => api.clock.advance(HOUR),
    async caughtUp(run) {
      const expected = new Set(api.allIds(api.organizations[0].id, api.clock.now()))
      await until(async () => new Set(await ids()).size >= expected.size, run)
    },
  }
}

/** The pipeline file: of each event only its id and what transforms add. */
function pipelineOf(api: JumpCloudServer, { auth, transforms = '', more = '' }: CollectorOptions): string {
  return `source:
  type: jumpcloud
  ${auth}
  baseUrl: ${api.url}
  limit: 100
  poll: 50ms
  count: false
  rate: { perSecond: 1000 }
  window: { since: 1d, step: 10d, lag: 0s, sweep: 0s, repair: 0s }
${more}
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
${transforms}
sink: { type: file, path: out, key: all, compression: none, roll: { maxAge: 100ms } }
`
}

/** All lines of the files in a folder and its subfolders. */
async function linesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = names.filter((entry) => entry.isFile() && entry.name.endsWith('.ndjson'))
  const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter((line) => line !== ''))
}
