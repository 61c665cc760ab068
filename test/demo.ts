/**
 * `npm run demo`: the main job on realistic input, on loopback only. A JumpCloud API and an S3
 * server run in this process. Sluice runs as a command in processes of its own, as its users run
 * it. At the end the demo downloads every object and compares the records with those of the API and
 * the archive.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { formatBytes, formatCount, type Report } from '../src/observe/report.ts'
import { SECRET_MARK, type EventSet } from './servers/events.ts'
import { writeArchive } from './servers/events/archive.ts'
import { startJumpCloudServer } from './servers/jumpcloud.ts'
import { startS3Server, type StoredObject } from './servers/s3.ts'
import { DAY, HOUR } from '../src/time.ts'
import { s3Environment } from './support/command.ts'

const EVENTS = 90_000
/**
 * The API is read from this event on. The archive ends a third of the way after it, so both
 * overlap.
 */
const API_FROM = 30_000
const ARCHIVE_TO = 50_000
const BUCKET = 'audit'
const SLUICE = 'build/dist/main.cjs'

const folder = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
const s3 = await startS3Server({ buckets: [BUCKET] })
const end = Date.now() - HOUR
const jumpcloud = await startJumpCloudServer({
  seed: 7,
  events: EVENTS,
  start: end - 2 * DAY,
  end,
  repeats: 0.02,
})
try {
  const { events } = jumpcloud.organizations[0]
  const since = new Date(events.millis(API_FROM)).toISOString()
  const environment = {
    ...process.env,
    ...s3Environment(s3),
    JUMPCLOUD_API_KEY: jumpcloud.apiKey,
    JUMPCLOUD_BASE_URL: jumpcloud.url,
    SLUICE_BUCKET: BUCKET,
    SLUICE_HMAC_KEY: 'a key for the demo',
    SLUICE_SINCE: since,
  }
  const sluice = (...args: string[]) => runSluice([...args, '--state', join(folder, 'state')], environment)

  process.stdout.write(`A JumpCloud API at ${jumpcloud.url}\nAn S3 server at ${s3.endpoint}\n`)

  title('1. Check the pipeline')
  await runSluice(['check', 'jumpcloud'], environment)

  title(`2. Collect ${formatCount(EVENTS - API_FROM)} events from the API into s3://${BUCKET}`)
  const report = join(folder, 'run.json')
  await sluice('run', 'jumpcloud', '--report', report, '--set', 'source.rate.perSecond=20')

  title(
    `3. Backfill an archive of ${formatCount(ARCHIVE_TO)} events, ${formatCount(ARCHIVE_TO - API_FROM)} of them already collected`,
  )
  const archive = join(folder, 'jc_directoryinsights_all.json.gz')
  await writeArchive(archive, events, { to: ARCHIVE_TO, format: 'array', order: 'DESC', gzip: true })
  const backfillReport = join(folder, 'backfill.json')
  await sluice('backfill', 'jumpcloud', archive, '--report', backfillReport)

  title('4. Preview one record: the lines that the transforms change')
  const sample = join(folder, 'one-event.ndjson')
  await writeFile(sample, findTellingEvent(events))
  await previewChanges(sample, environment)

  title('5. Download every object, and compare')
  const objects = [...s3.objects(BUCKET).values()]
  printObjects(objects)
  const expected = Array.from({ length: EVENTS }, (_, index) => events.id(index))
  verify(objects, expected, [await readReport(report), await readReport(backfillReport)])
  process.stdout.write('\ndemo: ok\n')
} finally {
  await jumpcloud.close()
  await s3.close()
  await rm(folder, { recursive: true, force: true })
}

function title(text: string): void {
  process.stdout.write(`\n== ${text}\n`)
}

async function runSluice(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  process.stdout.write(`$ sluice ${args.map((arg) => arg.replace(folder, '$TMP')).join(' ')}\n`)
  const child = spawn(process.execPath, [SLUICE, ...args], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`sluice ${args[0]} ended with ${code}`)
}

/** Prints the changed lines of a preview, each run of them with the line before it. */
async function previewChanges(sample: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ['preview', 'jumpcloud', sample]
  process.stdout.write(`$ sluice ${args.join(' ').replace(folder, '$TMP')}\n`)
  const { stdout } = await promisify(execFile)(process.execPath, [SLUICE, ...args], { env })
  const lines = stdout.trimEnd().split('\n').slice(1)
  const shown = lines.map((line, at) => isChanged(line) || isChanged(lines[at + 1]))
  for (const [at, line] of lines.entries()) {
    if (shown[at]) process.stdout.write(`${line}\n`)
    else if (at === 0 || shown[at - 1]) process.stdout.write('  ...\n')
  }
}

function isChanged(line = ''): boolean {
  return /^[-+]/.test(line)
}

async function readReport(path: string): Promise<Report> {
  const report: Report = JSON.parse(await readFile(path, 'utf8'))
  return report
}

/** A short event that every rule of the pipeline changes. */
function findTellingEvent(events: EventSet): string {
  for (let index = 0; index < events.count; index++) {
    const text = events.text(index)
    if ([SECRET_MARK, '"latitude"', '"client_ip"'].every((part) => text.includes(part)) && text.length < 1500)
      return text
  }
  throw new Error('no event has a password and a place')
}

function printObjects(objects: readonly StoredObject[]): void {
  const bytes = objects.reduce((sum, object) => sum + object.size, 0)
  process.stdout.write(`  ${objects.length} objects, ${formatBytes(bytes)}, for example\n`)
  for (const { key } of objects.slice(0, 2)) process.stdout.write(`    ${key}\n`)
}

/** Uses no code of the pipeline: gunzip and JSON.parse of the objects. */
function verify(objects: readonly StoredObject[], expected: readonly string[], reports: readonly Report[]): void {
  const found = new Map<string, number>()
  const leaks = { passwords: 0, addresses: 0, places: 0 }
  for (const object of objects) {
    if (object.puts !== 1) throw new Error(`${object.key} was written ${object.puts} times`)
    const text = gunzipSync(object.body).toString('utf8')
    if (text.includes(SECRET_MARK)) leaks.passwords++
    for (const line of text.split('\n')) {
      if (line === '') continue
      const record: { id: string; client_ip?: string; geoip?: { latitude?: number; longitude?: number } } =
        JSON.parse(line)
      found.set(record.id, (found.get(record.id) ?? 0) + 1)
      if (record.client_ip !== undefined && !record.client_ip.startsWith('hmac:')) leaks.addresses++
      if (record.geoip?.latitude !== undefined || record.geoip?.longitude !== undefined) leaks.places++
    }
  }
  const missing = expected.filter((id) => !found.has(id)).length
  const repeated = [...found.values()].filter((times) => times > 1).length
  const written = reports.reduce((sum, report) => sum + report.written, 0)
  for (const report of reports) assertLedger(report)
  const rows: [string, number, number][] = [
    ['distinct events', found.size, expected.length],
    ['records, as the reports say', [...found.values()].reduce((sum, times) => sum + times, 0), written],
    ['events missing', missing, 0],
    ['events twice', repeated, 0],
    ['objects with a password', leaks.passwords, 0],
    ['client addresses in plain text', leaks.addresses, 0],
    ['records with coordinates', leaks.places, 0],
  ]
  for (const [name, actual, wanted] of rows) {
    process.stdout.write(
      `  ${name.padEnd(32)}${formatCount(actual).padStart(8)}  ${actual === wanted ? 'ok' : `WRONG, ${formatCount(wanted)} expected`}\n`,
    )
  }
  if (rows.some(([, actual, wanted]) => actual !== wanted))
    throw new Error('the objects do not have the expected records')
}

function assertLedger({ read, added, written, dropped, duplicate, rejected }: Report): void {
  const drops = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  if (read + added !== written + drops + duplicate + rejected) throw new Error('the ledger does not add up')
}
