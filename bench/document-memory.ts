/**
 * How much memory does a run take whose input is one document, `{"Records":[…]}`, and does it grow
 * with the document? The peak resident memory of `sluice run` with `records: Records` (validate,
 * redact with the preset, gzip to files), for documents of several sizes; with `--parsed` by
 * `stream-json`.
 *
 * `npm run build && node build/bench/document-memory.js [--megabytes 1,250,1000] [--parsed]
 * [--gzip] [--folder /tmp]`; needs Linux, and the size on disk.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import type { Report } from '../src/observe/report.ts'
import { MAIN } from '../test/support/paths.ts'
import { peakOf } from '../test/support/peak-memory.ts'
import { cloudTrail } from './cloudtrail.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1,250,1000' },
    parsed: { type: 'boolean', default: false },
    gzip: { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
  },
})
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
try {
  await mkdir(join(folder, 'pipelines'))
  await cp('schemas', join(folder, 'schemas'), { recursive: true })
  const file = values.gzip ? 'trail.json.gz' : 'trail.json'
  await writeFile(
    join(folder, 'pipelines/p.yaml'),
    `source: { type: file, path: ${file}, records: '${values.parsed ? '{Records,events}' : 'Records'}' }
transforms:
  - { type: validate, schema: ../schemas/cloudtrail-event.schema.json }
  - { type: redact, preset: secrets }
sink: { type: file, path: out, key: all }
`,
  )
  for (const megabytes of values.megabytes.split(',').map(Number)) {
    const target = createWriteStream(join(folder, file))
    const source = Readable.from(cloudTrail(megabytes * 1e6), { objectMode: false })
    await (values.gzip ? pipeline(source, createGzip({ level: 1 }), target) : pipeline(source, target))
    const child = spawn(process.execPath, [MAIN, 'run', 'p', '--report', 'report.json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    const peak = (await peakOf({ pid: child.pid ?? 0, ended: once(child, 'close') })) / 1e6
    const { written, rejected, seconds }: Report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8'))
    if (rejected > 0) throw new Error(`${rejected} records were rejected`)
    console.log(
      `${process.version}${values.parsed ? ' parsed' : ''}: ${megabytes} MB, ${written} records: peak ${peak.toFixed(0)} MB; ${seconds.toFixed(1)} s`,
    )
    for (const name of ['out', '.sluice']) await rm(join(folder, name), { recursive: true, force: true })
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
