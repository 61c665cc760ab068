import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { readIds } from '../../delivery/support.ts'
import { startS3Server } from '../../servers/s3.ts'
import { MAIN } from '../../support/paths.ts'

const RECORDS = 3000
const IDS = Array.from({ length: RECORDS }, (_, id) => id)

describe('a full disk', () => {
  for (const size of [48, 64, 128, 256, 448]) {
    test(`of ${size} KiB stops the run, and the next run completes when there is space`, async (t) => {
      const { workspace, disk } = await openJob(t, size, 'type: file, path: out')
      if (!disk) return
      for (let attempt = 0; attempt < 2; attempt++) {
        const { code, text } = await disk.run('$SLUICE run events --state disk')
        assert.equal(code, 6, text)
        assert.match(text, /^sluice: DISK_FULL: /m)
        assert.equal((await disk.run('find disk -name open.lock')).text.trim(), '', 'a lock that nobody holds is left')
      }
      await disk.run('mount -o remount,size=64m disk')
      const { code, text } = await disk.run('$SLUICE run events --state disk')
      assert.equal(code, 0, text)
      assertOnce(await readIds(workspace.path('out')))
    })
  }

  test('leaves the state enough pages for the next run to delete uncommitted files', async (t) => {
    const { disk } = await openJob(t, 448, 'type: file, path: out')
    if (!disk) return
    for (let attempt = 0; attempt < 3; attempt++) {
      const run: Ended = await disk.run('$SLUICE run events --state disk')
      assert.equal(run.code, 6, run.text)
      assert.match(run.text, /^sluice: DISK_FULL: cannot write to .*outbox/m)
      await disk.run('cat /dev/zero >>disk/events/outbox/00000001-000.ndjson')
    }
  })

  test('lets the next run publish committed objects while it stays full', async (t) => {
    const server = await startS3Server({ buckets: ['audit'] })
    t.after(() => server.close())
    const sink = 'type: s3, bucket: audit, forcePathStyle: true'
    const { disk } = await openJob(t, 2048, sink, s3Environment(server))
    if (!disk) return
    const refusal = server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 100 })
    const refused = await disk.run('$SLUICE run events --state disk')
    assert.equal(refused.code, 4, refused.text)
    refusal.remove()
    const waiting = await disk.run('ls disk/events/outbox')
    assert.match(waiting.text, /00000001-000/)
    await disk.run('cat /dev/zero >disk/filler')

    // Publishing is slower than reading: the disk is full again long before the first object is
    // published.
    server.throttle(300 << 10)
    const back = await disk.run('$SLUICE run events --state disk')
    server.throttle(undefined)
    assert.equal(back.code, 6, back.text)
    assert.match(back.text, /^sluice: DISK_FULL: /m)
    const state = await disk.run('$SLUICE state show events --state disk --json')
    const { published, unpublished }: { published: number; unpublished: unknown[] } = JSON.parse(state.text)
    assert.ok(published > 0)
    assert.deepEqual(unpublished, [])

    await disk.run('mount -o remount,size=64m disk')
    const done = await disk.run('$SLUICE run events --state disk')
    assert.equal(done.code, 0, done.text)
    const bodies = [...server.objects('audit').values()].map(({ body }) => body.toString().trim().split('\n'))
    assertOnce(bodies.flat().map((line): unknown => JSON.parse(line).id))
  })
})

function assertOnce(ids: readonly unknown[]): void {
  assert.deepEqual(
    ids.map(Number).toSorted((a, b) => a - b),
    IDS,
  )
}

interface Disk {
  run(command: string): Promise<Ended>
}

interface Ended {
  readonly code: number
  readonly text: string
}

async function openJob(t: TestContext, size: number, sink: string, environment: { [name: string]: string } = {}) {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/events.yaml',
    `source: { type: file, path: events.ndjson }
transforms:
  - { type: dedup, key: id }
sink: { ${sink}, compression: none, roll: { maxRecords: 500 } }
`,
  )
  const text = 'x'.repeat(1000)
  await workspace.write('events.ndjson', IDS.map((id) => `${JSON.stringify({ id, text })}\n`).join(''))
  await workspace.write('disk/.keep', '')
  const disk = await openDisk(t, workspace, size, environment)
  return { workspace, disk }
}

/**
 * Mounts a file system of this size (KiB) as the folder `disk` for commands. Returns undefined and
 * skips the test if the kernel does not allow it.
 */
async function openDisk(
  t: TestContext,
  { folder }: Workspace,
  size: number,
  environment: { [name: string]: string },
): Promise<Disk | undefined> {
  const SLUICE = `${process.execPath} ${MAIN}`
  const shell = spawn('sh', ['-c', 'exec unshare --map-root-user --mount sh'], {
    cwd: folder,
    env: { ...process.env, ...environment, SLUICE },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const gone = new Promise<void>((done) => void shell.once('error', () => done()).once('close', () => done()))
  t.after(async () => {
    shell.kill('SIGKILL')
    await gone
  })
  const lines = createInterface(shell.stdout)[Symbol.asyncIterator]()
  const run = async (command: string): Promise<Ended> => {
    shell.stdin.write(`{ ${command}; } 2>&1 </dev/null; code=$?; echo; echo "ended with $code"\n`)
    for (let text = ''; ;) {
      const { value, done } = await lines.next()
      if (done === true) return { code: -1, text }
      const [, code] = /^ended with (\d+)$/.exec(value) ?? []
      if (code !== undefined) return { code: Number(code), text }
      text += `${value}\n`
    }
  }
  shell.stdin.on('error', () => undefined)
  const { code } = await run(`mount -t tmpfs -o size=${size}k tmpfs disk`)
  if (code === 0) return { run }
  t.skip('no file system can be made here')
  return undefined
}
