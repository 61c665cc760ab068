import { readdir, readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'

/** A transform that declares `parallel: true`. `body` is that of its `create`. */
export const declared = (body: string, more = ''): string => `
import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'For a test.', fields: {}, parallel: true, ${more} create() { ${body} } })
`

interface Run {
  readonly transform: string
  readonly parallel: number
  readonly count?: number
  readonly before?: string
  readonly after?: string
  readonly options?: string
}

/** A pipeline with a parallel transform, and the records `0` to `count`, each 500th of which is not JSON. */
export async function openParallel(
  t: TestContext,
  { transform, parallel, count = 4000, before = '', after = '', options = '' }: Run,
): Promise<Workspace> {
  const lines = Array.from({ length: count }, (_, id) =>
    id % 500 === 499
      ? 'not JSON'
      : `{ "id" : ${id}, "n":1.10, "user":{"name":"bob","id":12345678901234567890}, "pad":"${'x'.repeat(500)}"}`,
  )
  return openProject(t, {
    'pipelines/p.yaml': `
source: { type: file, path: in.ndjson }
transforms:
  ${before}
  - type: ../transforms/t.ts
    parallel: ${parallel}
    ${options}
  ${after}
sink: { type: file, path: out, compression: none, roll: { maxBytes: 100MiB } }
rejects: { type: file, path: rejects, compression: none }
`,
    'transforms/t.ts': transform,
    'in.ndjson': `${lines.join('\n')}\n`,
  })
}

/** All objects below a folder, in the order of their names. */
export async function textIn(workspace: Workspace, folder: string): Promise<string> {
  const names = await readdir(workspace.path(folder), { recursive: true }).catch(() => [])
  const files = names.filter((name) => name.endsWith('.ndjson')).toSorted()
  return (await Promise.all(files.map((name) => readFile(workspace.path(folder, name), 'utf8')))).join('')
}
