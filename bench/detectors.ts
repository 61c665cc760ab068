/**
 * What do ten rules and three detectors of `redact` cost the engine? The same pipeline without redaction
 * and with it, whole processes in turn. The throughput with redaction is 1 / ratio of that without. On a
 * busy machine the CPU times say more.
 *
 * `npm run build && node build/bench/detectors.js [--megabytes 330] [--rounds 5] [--folder /tmp]`; needs
 * bash.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeInput } from './backfill-run.ts'
import { compare, time } from './timed.ts'
import type { Timed } from './timed.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '330' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
const input = join(folder, 'in.ndjson')

try {
  for (const shape of ['one', 'mixed'] as const) {
    const count = await writeInput(input, { megabytes: Number(values.megabytes), shape, gzip: false })
    await compare(`ten rules and three detectors, ${shape}, ${count} records`, Number(values.rounds), {
      without: () => run('plain'),
      with: () => run('detectors'),
    })
  }
} finally {
  await rm(folder, { recursive: true })
}

function run(pipeline: string): Timed {
  const command =
    'SLUICE_HMAC_KEY="a key of the benches, made up" "$1" build/dist/main.cjs run "bench/$2.yaml" --set "source.path=$3" > /dev/null'
  return time(command, [process.execPath, pipeline, input])
}
