/*
 * Stored states of earlier formats, in `test/fixtures/state/<format>[-<what>].json.gz`: the files of a state folder
 * in base64, by their path.
 *
 * To store one of the current format, run the pipeline of `openSample` in an empty folder until its state has what is
 * new, and then `node build/test/support/state-samples.js FOLDER FILE`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { openWorkspace } from './command.ts'
import type { Workspace } from './command.ts'
import { fixture } from './paths.ts'

const SAMPLES = fixture('state')
const ENDING = '.json.gz'

export interface StateSample {
  readonly name: string
  readonly format: number
}

/** All samples, the oldest format first. */
export async function listSamples(): Promise<StateSample[]> {
  const names = (await readdir(SAMPLES)).filter((name) => name.endsWith(ENDING))
  return names
    .map((name) => ({ name: name.slice(0, -ENDING.length), format: Number.parseInt(name, 10) }))
    .toSorted((a, b) => a.format - b.format)
}

/** A workspace with the sample as the state of the pipeline `sample`, and what that pipeline has read. */
export async function openSample(t: TestContext, name: string): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/sample.yaml', PIPELINE)
  await workspace.write('pipelines/s.json', '{"required":["id","name"]}')
  await workspace.write('in.ndjson', INPUT)
  const files: { readonly [path: string]: string } = JSON.parse(
    gunzipSync(await readFile(join(SAMPLES, name + ENDING))).toString(),
  )
  for (const [path, content] of Object.entries(files)) await workspace.write(path, Buffer.from(content, 'base64'))
  return workspace
}

const PIPELINE = `source: { type: file, path: in.ndjson }
transforms: [{ type: validate, schema: s.json }, { type: dedup, key: [id] }]
sink: { type: file, path: out, key: all, compression: none }
`

/** What the samples have written, and then what they have rejected. */
const INPUT = [...[1, 2, 5].map((id) => ({ id, name: 'a' })), ...[3, 4, 6].map((id) => ({ id }))]
  .map((record) => `${JSON.stringify(record)}\n`)
  .join('')

async function store(folder: string, file: string): Promise<void> {
  const files: { [path: string]: string } = {}
  for (const entry of await readdir(join(folder, '.sluice'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && entry.name !== 'lock.mdb') {
      files[path.slice(folder.length + 1)] = readFileSync(path).toString('base64')
    }
  }
  writeFileSync(file, gzipSync(JSON.stringify(files), { level: 9 }))
}

const [, program, folder, file] = process.argv
if (program === import.meta.filename) await store(folder, file)
