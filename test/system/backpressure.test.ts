import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEventSet } from '../servers/events.ts'
import { writeArchive } from '../servers/events/archive.ts'
import { startS3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { DAY } from '../../src/time.ts'

const MiB = 1 << 20

/** Bytes that a process has read, from any file or socket. */
async function bytesRead(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/io`, 'utf8')
  return Number(/^rchar: (\d+)/m.exec(text)?.[1])
}

test(
  'a store that accepts 1 MB/s slows the source down',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const s3 = await startS3Server({ buckets: ['audit'] })
    t.after(() => s3.close())
    const workspace = await openWorkspace(t)
    const events = createEventSet({ seed: 5, count: 80_000, start: 0, end: DAY })
    await writeArchive(workspace.path('in.ndjson'), events)
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: in.ndjson }
sink: { type: s3, bucket: audit, key: all, compression: none, roll: { maxBytes: 1MiB }, outbox: { maxBytes: 4MiB } }
`,
    )
    s3.throttle(1_000_000)
    const running = workspace.start(['run', 'p'], { env: s3Environment(s3) })
    const received = () => s3.requests.reduce((sum, request) => sum + request.bytesReceived, 0)
    while (received() < 2 * MiB) await sleep(20)

    // The outbox is full and objects leave it one by one. Reading may be ahead of uploading by the
    // outbox plus one object, batches in flight, socket buffers and the program's own files, but
    // not by a large part of the input, which has 60 MB.
    const leads: number[] = []
    for (let sample = 0; sample < 20; sample++) {
      const read = await bytesRead(running.pid)
      leads.push(read - received())
      await sleep(50)
    }
    assert.ok(Math.max(...leads) < 40 * MiB, `read ${Math.max(...leads)} bytes more than the store has accepted`)
    const before = await bytesRead(running.pid)
    s3.throttle(0)
    await sleep(500)
    const stopped = await bytesRead(running.pid)
    await sleep(1000)
    assert.ok((await bytesRead(running.pid)) - stopped < MiB, 'reading continues while the store accepts nothing')
    assert.ok(stopped >= before)

    s3.throttle(undefined)
    const { code, stderr } = await running.ended
    assert.equal(code, 0, stderr)
    const lines = [...s3.objects('audit').values()].reduce(
      (sum, { body }) => sum + body.toString().split('\n').length - 1,
      0,
    )
    assert.equal(lines, 80_000)
  },
)
