import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SluiceError } from '../../../src/index.ts'
import type { SinkWritable } from '../../../src/index.ts'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'

/** A file of 1000 records in a workspace, and the sink of a folder there. */
export async function openProject(t: TestContext, records = 1000) {
  const workspace = await openWorkspace(t)
  const lines = Array.from({ length: records }, (_, id) => `{"id":${id},"email":"user${id}@example.com"}\n`)
  await workspace.write('in.ndjson', lines.join(''))
  return { workspace, input: { type: 'file', path: workspace.path('in.ndjson') }, output: folderSink(workspace) }
}

function folderSink(workspace: Workspace) {
  return {
    type: 'file',
    path: workspace.path('out'),
    key: 'all',
    compression: 'none',
    state: workspace.path('.sluice/mine'),
  }
}

export async function recordsIn(workspace: Workspace): Promise<{ id: number; [name: string]: unknown }[]> {
  const entries = await readdir(workspace.path('out'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): { id: number } => JSON.parse(line)),
  )
}

export async function failureOf(running: Promise<void>): Promise<SluiceError> {
  const error: unknown = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SluiceError, String(error))
  return error
}

export function reportOf(last: SinkWritable) {
  const report = last.report()
  assert.ok(report)
  return report
}
