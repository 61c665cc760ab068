import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { makeProject } from '../../support/config-project.ts'
import { codeFile } from '../../support/paths.ts'

/** Runs a part of `embedding-process.ts` in a project with a large archive. It must end by itself. */
async function runProcess(t: TestContext, part: string) {
  const folder = await makeProject(t, {
    'pipelines/archive.yaml': `source: { type: file, path: in }
transforms:
  - { type: redact, rules: [{ path: email, action: mask }] }
  - { type: dedup, key: [id] }
sink: { type: file, path: out, key: all, compression: none }
`,
    'in/a.ndjson': Array.from({ length: 50_000 }, (_, id) => `{"id":${id},"email":"a@example.com"}\n`).join(''),
  })
  const child = spawn(process.execPath, [codeFile('test/system/embedding/embedding-process.ts'), part, folder])
  t.after(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (data: Buffer) => (output.stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output.stderr += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...output }
}

test('a process that ends its streams early ends by itself, and nothing is printed', async (t) => {
  assert.deepEqual(await runProcess(t, 'abort'), { code: 0, stdout: '', stderr: '' })
})

test('a process that follows its source ends by itself when the signal aborts', async (t) => {
  assert.deepEqual(await runProcess(t, 'follow'), { code: 0, stdout: '', stderr: '' })
})

test('pipelines run in worker threads, beside one in the main thread', async (t) => {
  assert.deepEqual(await runProcess(t, 'worker'), { code: 0, stdout: '', stderr: '' })
})
