/**
 * What does it cost to start? Core-seconds (user and system) of whole processes: each command, and
 * runs of 100 records from file to file and from file to S3, beside Node.js alone and beside a plain
 * script that does the same work (`start-up-plain.ts`). All of them take turns, so that the drift of
 * the machine affects all; the result of each is its median.
 *
 * The targets: `--version` and `list` at most 1.5 times Node.js alone; the run from file to file at
 * most 1.3 times the plain script; the run to S3 at most 0.25 core-seconds more than that.
 *
 * `npm run build && node build/bench/start-up.js [--rounds 15]`. Needs bash.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { startS3Server } from '../test/servers/s3.ts'

const BUCKET = 'bench'
const TRANSFORMS = `transforms:
  - { type: validate, schema: ../schemas/jumpcloud-event.schema.json }
  - { type: redact, preset: PRESET, rules: [{ path: initiated_by.email, action: mask }, { path: geoip.latitude, action: drop }] }
  - { type: dedup, key: id }
`
const SOURCE = 'source: { type: file, path: in.ndjson }\n'
const FILE = 'sink: { type: file, path: out, key: all, compression: none }\n'
const S3 = `sink: { type: s3, bucket: ${BUCKET}, key: all, compression: none, forcePathStyle: true }\n`

const { values } = parseArgs({ options: { rounds: { type: 'string' } } })
const rounds = Number(values.rounds ?? 15)
const sluice = resolve('build/dist/main.cjs')
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const s3 = await startS3Server({ buckets: [BUCKET] })
const env = {
  ...process.env,
  AWS_ENDPOINT_URL_S3: s3.endpoint,
  AWS_REGION: s3.region,
  AWS_ACCESS_KEY_ID: s3.accessKeyId,
  AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
}

/** The arguments of Node.js. */
const subjects: { readonly [name: string]: readonly string[] } = {
  'node -e 0': ['-e', '0'],
  'plain script': [resolve('build/bench/start-up-plain.js'), 'in.ndjson', 'plain.ndjson'],
  'sluice --version': [sluice, '--version'],
  'sluice list': [sluice, 'list'],
  'sluice --help': [sluice, '--help'],
  'sluice describe redact': [sluice, 'describe', 'redact'],
  'sluice check file': [sluice, 'check', 'file'],
  'sluice test file': [sluice, 'test', 'file'],
  'sluice run file (to a file)': [sluice, 'run', 'file'],
  'the same, preset secrets': [sluice, 'run', 'secrets'],
  'the same, custom TypeScript': [sluice, 'run', 'custom'],
  'sluice run s3 (to S3)': [sluice, 'run', 's3'],
}

try {
  await prepare()
  const seconds = new Map(Object.keys(subjects).map((name) => [name, [] as number[]]))
  // The first round fills the file cache, and V8's compile cache where Node.js has one.
  for (let round = -1; round < rounds; round++) {
    for (const [name, args] of Object.entries(subjects)) {
      for (const written of ['.sluice', 'out']) await rm(join(folder, written), { recursive: true, force: true })
      const cost = await coreSeconds(args)
      if (round >= 0) seconds.get(name)?.push(cost)
    }
  }
  const bare = median(seconds.get('node -e 0') ?? [])
  const plain = median(seconds.get('plain script') ?? [])
  console.log(`${process.version}, ${rounds} rounds      core-s (min to max)    of node -e 0   of plain`)
  for (const [name, all] of seconds) {
    const cost = median(all)
    const range = `${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)}`
    console.log(
      `${name.padEnd(28)} ${cost.toFixed(3)} (${range})  ${(cost / bare).toFixed(2).padStart(12)} ${(cost / plain).toFixed(2).padStart(10)}`,
    )
  }
  const toS3 =
    median(seconds.get('sluice run s3 (to S3)') ?? []) - median(seconds.get('sluice run file (to a file)') ?? [])
  console.log(`S3 instead of a file: ${toS3.toFixed(3)} core-seconds more`)
} finally {
  await s3.close()
  await rm(folder, { recursive: true, force: true })
}

async function prepare(): Promise<void> {
  await mkdir(join(folder, 'pipelines'))
  await cp('schemas/jumpcloud-event.schema.json', join(folder, 'schemas/jumpcloud-event.schema.json'))
  const lines = Array.from({ length: 100 }, (_, i) =>
    JSON.stringify({
      id: `e${i}`,
      timestamp: new Date(Date.UTC(2026, 2, 4) + i * 1000).toISOString(),
      service: 'directory',
      event_type: 'user_login',
      client_ip: `10.0.0.${i}`,
      initiated_by: { id: `u${i}`, email: `user${i}@example.com`, type: 'user' },
      geoip: { country_code: 'US', latitude: 1.5, longitude: 2.5 },
      success: true,
    }),
  )
  await writeFile(join(folder, 'in.ndjson'), `${lines.join('\n')}\n`)
  await writeFile(join(folder, 'pipelines/file.yaml'), pipeline(FILE))
  await writeFile(join(folder, 'pipelines/secrets.yaml'), pipeline(FILE, 'secrets'))
  await writeFile(join(folder, 'pipelines/s3.yaml'), pipeline(S3))
  await writeFile(join(folder, 'custom.ts'), 'export default (record: object): object => record\n')
  const custom = pipeline(FILE).replace('transforms:', 'transforms:\n  - { type: ../custom.ts }')
  await writeFile(join(folder, 'pipelines/custom.yaml'), custom)
}

function pipeline(sink: string, preset = 'none'): string {
  return SOURCE + TRANSFORMS.replace('PRESET', preset) + sink
}

/** User and system time of a process and of those that it started. */
async function coreSeconds(args: readonly string[]): Promise<number> {
  const script = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1'
  const options = { cwd: folder, env }
  const { stderr } = await promisify(execFile)('bash', ['-ec', script, 'bash', process.execPath, ...args], options)
  return stderr
    .trim()
    .split(' ')
    .reduce((sum, each) => sum + Number(each), 0)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN
}
