/**
 * What does `lookup` cost: reading a CSV table of a million rows, and finding a row and setting two
 * members for each record? Whole processes in turn: a record alone, and many, without and with the
 * transform. The accounts of the records are spread over the whole table.
 *
 * `npm run build && node build/bench/lookup.js [--records 1000000] [--rounds 5] [--folder /tmp]`; needs
 * bash.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { compare, time } from './timed.ts'
import type { Timed } from './timed.ts'

const ROWS = 1_000_000
/** Lines that are written at once. */
const BLOCK = 1000

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const [table, one, many] = ['table.csv', 'one.ndjson', 'many.ndjson'].map((name) => join(folder, name))
const records = Number(values.records)

try {
  await write(table, ROWS + 1, (at) =>
    at === 0 ? 'id,owner,tier' : `acct-${at - 1},team-${at % 977},${at % 3 === 0 ? 'silver' : 'gold'}`,
  )
  // 7919 is prime: each account comes once before one comes again.
  const record = (at: number) => `{"id":${at},"account":"acct-${(at * 7919) % ROWS}","text":"${'x'.repeat(200)}"}`
  await write(one, 1, record)
  await write(many, records, record)
  await compare(`${ROWS} rows, ${records} records`, Number(values.rounds), {
    start: () => run('no-transforms', one),
    table: () => run('lookup', one),
    without: () => run('no-transforms', many),
    with: () => run('lookup', many),
  })
} finally {
  await rm(folder, { recursive: true })
}

async function write(path: string, count: number, line: (at: number) => string): Promise<void> {
  const blocks = Array.from({ length: Math.ceil(count / BLOCK) }, (_, block) => block * BLOCK)
  const texts = function* () {
    for (const start of blocks) {
      const length = Math.min(BLOCK, count - start)
      yield `${Array.from({ length }, (_, at) => line(start + at)).join('\n')}\n`
    }
  }
  await pipeline(Readable.from(texts()), createWriteStream(path))
}

function run(name: string, input: string): Timed {
  const command = 'BENCH_TABLE="$4" "$1" build/dist/main.cjs run "bench/$2.yaml" --set "source.path=$3" > /dev/null'
  return time(command, [process.execPath, name, input, table ?? ''])
}
