import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { startS3Server } from './servers/s3.ts'
import { s3Environment } from './support/command.ts'
import { isProgram, openProject } from './support/guide-project.ts'
import { readGuide } from './support/markdown.ts'
import type { Block } from './support/markdown.ts'
import { REPOSITORY } from './support/paths.ts'

const run = promisify(execFile)
const pages = ['README.md', ...(await readdir(join(REPOSITORY, 'docs'))).map((name) => `docs/${name}`)]

describe('the programs of the guides', async () => {
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const text = await readFile(join(REPOSITORY, page), 'utf8')
    const programs = readGuide(text).blocks.filter((block) => block.language === 'ts' && isProgram(block.text))
    if (programs.length === 0) continue
    test(`${page}: compile, run and end by themselves`, async (t) => {
      const s3 = await startS3Server({ buckets: ['audit'] })
      t.after(() => s3.close())
      const root = await openProject(t, {
        'package.json': '{ "type": "module" }\n',
        'pipelines/events.yaml': EVENTS,
        'events.ndjson': '{"id":1,"password":"hunter2"}\n{"id":1}\n{"id":2}\n',
      })
      await symlink(join(REPOSITORY, 'node_modules/@types'), join(root, 'node_modules/@types'))
      const files = await Promise.all(programs.map((program) => writeProgram(root, program)))
      await compile(root, files)
      for (const file of files) await start(root, file, s3Environment(s3))
      if (!files.includes('collect.ts')) return
      const [{ body }] = s3.objects('audit').values()
      assert.equal(gunzipSync(body).toString(), '{"id":1,"password":"[redacted]"}\n{"id":2}\n')
    })
  }
})

/** The pipeline file that programs open. */
const EVENTS = `source: { type: file, path: events.ndjson }
transforms: [{ type: redact }, { type: dedup, key: [id] }]
sink: { type: file, path: out/events }
`

async function writeProgram(root: string, { text }: Block): Promise<string> {
  const [, file = ''] = /^\/\/ (\S+)/.exec(text) ?? []
  await writeFile(join(root, file), text)
  return file
}

/** With the options that a strict project has. */
async function compile(root: string, files: readonly string[]): Promise<void> {
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck']
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, ...options, '--types', 'node', ...files], { cwd: root }).catch(
    (error: { readonly stdout: string }) => assert.fail(error.stdout),
  )
}

/** jiti runs TypeScript with every Node. */
async function start(root: string, file: string, env: { readonly [name: string]: string }): Promise<void> {
  const jiti = join(REPOSITORY, 'node_modules/jiti/lib/jiti-cli.mjs')
  await run(process.execPath, [jiti, file], { cwd: root, env: { ...process.env, ...env } })
}
