import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { Workspace } from '../../../support/command.ts'
import { BUCKET, DROPPED, REJECTED } from './servers.ts'
import type { Servers } from './servers.ts'
import { codeFile } from '../../../support/paths.ts'

/**
 * Has small pages and epochs, so that a kill can hit every step. Some events are dropped, some
 * rejected.
 */
export const PIPELINE = `
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
sink: { type: s3, bucket: ${BUCKET}, key: 'objects/service={record.service}', forcePathStyle: true, roll: { maxRecords: 300 } }
rejects: { type: s3, bucket: ${BUCKET}, key: rejects, forcePathStyle: true, roll: { maxRecords: 300 } }
`

const SCHEMA = { type: 'object', properties: { service: { not: { const: REJECTED } } } }

export async function writeJob(workspace: Workspace): Promise<void> {
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('pipelines/schema.json', JSON.stringify(SCHEMA))
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
