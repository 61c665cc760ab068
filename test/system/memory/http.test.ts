import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import { startServer } from '../../sources/http/read-source.ts'
import { peakOf } from '../../support/peak-memory.ts'

const MB = 1e6
const EVENT = `{"id":"${'a'.repeat(24)}","text":"${'x'.repeat(960)}"}`
const BLOCK = Buffer.from(`${EVENT},`.repeat(64))

/** Reads one page of so many blocks of events; the most memory that took. */
async function readPage(t: TestContext, blocks: number): Promise<number> {
  const server = await startServer(t, (_request, response) => {
    let sent = 0
    const write = (): void => {
      while (sent < blocks) {
        sent++
        if (!response.write(BLOCK)) {
          response.once('drain', write)
          return
        }
      }
      response.end(`${EVENT}],"next":null}`)
    }
    response.write('{"meta":{"size":1},"data":[')
    write()
  })
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: http, request: { url: '${server.origin}/events' }, records: data, maxBody: 2GiB }
transforms:
  - { type: filter, drop: { id: ${'a'.repeat(24)} } }
sink: { type: file, path: out, key: all }
allowRepeats: true
`,
  )
  const running = workspace.start(['run', 'p', '--report', 'report.json'])
  const peak = await peakOf(running)
  const { code, stderr } = await running.ended
  assert.equal(code, 0, stderr)
  assert.match(stderr, new RegExp(`read +${(blocks * 64 + 1).toLocaleString('en-US')}\\b`))
  return peak
}

test(
  'a page of 1 GB within an object needs no more memory than one of 250 MB',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    // A young heap has grown to its size by then; a page of 1 MB ends before.
    const small = await readPage(t, 4000)
    const large = await readPage(t, 16_000)
    t.diagnostic(`${small / MB} MB and ${large / MB} MB`)
    // It is collected when V8 thinks fit: two runs of the same page differ by this much. If only a
    // tenth of the page were kept, it would show.
    assert.ok(large < small + 60 * MB, `${large / MB} MB after ${small / MB} MB`)
    assert.ok(large < 300 * MB, `${large / MB} MB`)
  },
)
