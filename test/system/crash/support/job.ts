import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Workspace } from '../../../support/command.ts'
import { BUCKET, DROPPED, REJECTED } from './servers.ts'
import type { Servers } from './servers.ts'
import { codeFile } from '../../../support/paths.ts'

/**
 * Has small pages and epochs, so that a kill can hit every step. Some events are dropped, some
 * rejected.
 */
const STAGES = `
source:
  type: jumpcloud
  apiKey: \${env:JUMPCLOUD_API_KEY}
  baseUrl: \${env:JUMPCLOUD_BASE_URL}
  limit: 100
  rate: { perSecond: 100 }
  window: { since: 2d, step: 6h, lag: 5m, overlap: 5m }
transforms:
  - { type: filter, drop: { service: ${DROPPED} } }
  - { type: validate, schema: schema.json }
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
rejects: { type: s3, bucket: ${BUCKET}, key: rejects, forcePathStyle: true, roll: { maxRecords: 300 } }
`

export const PIPELINE = `${STAGES}sink: { type: s3, bucket: ${BUCKET}, key: 'objects/service={record.service}', forcePathStyle: true, roll: { maxRecords: 300 } }
`

/** The services of the events that each sink gets; `archive` gets the others too. */
const ROUTED = {
  siem: ['sso', 'radius'],
  fraud: ['radius', 'directory'],
  archive: ['sso', 'directory'],
} as const

const ROUTED_PIPELINE = `${STAGES}sinks:
${Object.keys(ROUTED)
  .map(
    (name) =>
      `  ${name}: { type: s3, bucket: ${BUCKET}, key: 'objects/${name}/service={record.service}', forcePathStyle: true, roll: { maxRecords: 300 } }`,
  )
  .join('\n')}
routes:
  - { when: { service: sso }, to: [siem, archive] }
  - { when: { service: radius }, to: [siem, fraud] }
  - { when: { service: directory }, to: [archive, fraud] }
default: archive
`

const SCHEMA = { type: 'object', properties: { service: { not: { const: REJECTED } } } }

export async function writeJob(workspace: Workspace): Promise<void> {
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('pipelines/schema.json', JSON.stringify(SCHEMA))
}

/** A job with three sinks and routes. */
export async function writeRoutedJob(workspace: Workspace): Promise<void> {
  await writeJob(workspace)
  await workspace.write('pipelines/events.yaml', ROUTED_PIPELINE)
}

/** Checks that each event is in exactly the sinks that it was routed to, once. */
export async function verifyRouted(workspace: Workspace, servers: Servers): Promise<void> {
  const folder = workspace.path(`dump-${Math.random()}`)
  await servers.dump(folder)
  const path = (...names: string[]): string => join(folder, ...names)
  const services = await readdir(path('services'))
  const named: readonly string[] = Object.values(ROUTED).flat()
  const others = services.filter((name) => ![...named, DROPPED, REJECTED].includes(name))
  assert.ok(named.every((name) => services.includes(name)) && others.length > 0)
  const check = async (kind: 'objects' | 'rejects', below: string[], expected: readonly string[]): Promise<void> => {
    const lists = await Promise.all(expected.map((name) => readFile(path('services', name), 'utf8')))
    await writeFile(path('ids'), lists.join('\n'))
    await mkdir(path('empty'), { recursive: true })
    const objects = kind === 'objects' ? path(...below) : path('empty')
    const rejects = kind === 'rejects' ? ['--rejects', path(...below)] : []
    const { code, stdout } = await runVerifier([
      '--objects',
      objects,
      ...rejects,
      '--expected',
      path('ids'),
      '--puts',
      path('puts.json'),
    ])
    assert.equal(code, 0, stdout)
  }
  await check('objects', ['objects', 'siem'], ROUTED.siem)
  await check('objects', ['objects', 'fraud'], ROUTED.fraud)
  await check('objects', ['objects', 'archive'], [...ROUTED.archive, ...others])
  await check('rejects', ['rejects'], [REJECTED])
  const { code, stdout } = await workspace.sluice(['verify', 'events'], { env: servers.environment })
  assert.equal(code, 0, stdout)
}

export interface VerifierReport {
  readonly isCorrect: boolean
  readonly written: number
  readonly rejected: number
  readonly dropped: number
}

/** Dumps the store into a folder of the workspace and checks it with the verifier. */
export async function verify(workspace: Workspace, servers: Servers): Promise<VerifierReport> {
  const folder = workspace.path(`dump-${Math.random()}`)
  await servers.dump(folder)
  const path = (name: string): string => join(folder, name)
  const lists = ['objects', 'rejects', 'expected', 'dropped'].flatMap((name) => [`--${name}`, path(name)])
  const { code, stdout } = await runVerifier([...lists, '--puts', path('puts.json')])
  const report: VerifierReport = JSON.parse(stdout)
  assert.equal(code, 0, stdout)
  assert.ok(report.isCorrect && report.written > 0 && report.rejected > 0 && report.dropped > 0, stdout)
  return report
}

export function runVerifier(args: readonly string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [codeFile('test/system/crash/support/verifier.ts'), ...args], (error, stdout) =>
      resolve({ code: Number(error?.code ?? 0), stdout }),
    )
  })
}
