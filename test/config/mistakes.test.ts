import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import { loadPipeline } from '../../src/config/load.ts'
import { renderProblems } from '../../src/config/render.ts'
import { makeProject, parts, sound, writeFiles } from '../support/config-project.ts'
import { REPOSITORY } from '../support/paths.ts'

/**
 * Each file is a mistake and, behind a line of `=`, the exact text that it is answered with. Without a line that begins with `source:` it is put
 * behind a sound pipeline, of which sections that it has itself are left out. `# mode: run` and `# set: path=value` give options.
 */
const folder = pathToFileURL(`${REPOSITORY}/test/config/mistakes/`)
const files = (await readdir(folder)).toSorted()

test('every kind of mistake has a place, a caret and a way out', async (t) => {
  assert.ok(files.length > 40, 'the mistakes are missing')
  const root = await makeProject(t, parts)
  for (const file of files) {
    await t.test(basename(file, '.txt').replaceAll('-', ' '), async () => {
      const [yaml = '', expected = ''] = (await readFile(new URL(file, folder), 'utf8')).split('=====\n')
      assert.equal(await answer(root, yaml), expected)
    })
  }
})

async function answer(root: string, yaml: string): Promise<string> {
  const mode = /^# mode: run$/m.test(yaml) ? 'run' : 'check'
  const set = [...yaml.matchAll(/^# set: (.*)$/gm)].map((match) => match[1])
  await writeFiles(root, { 'pipelines/x.yaml': whole(yaml) })
  const env = { AUDIT_BUCKET: 'audit', COUNT: 'many' }
  const { problems, pipeline } = await loadPipeline('x', { root, mode, set, env })
  assert.equal(
    pipeline === undefined,
    problems.some(({ severity }) => severity === 'error'),
  )
  return renderProblems(problems).replaceAll(root, 'ROOT')
}

function whole(yaml: string): string {
  if (/^(source:|whole)|# whole/m.test(yaml)) return yaml
  const own = new Set([...yaml.matchAll(/^(\w+):/gm)].map((match) => match[1]))
  const rest = sound.split(/^(?=\w)/m).filter((section) => !own.has(section.split(':')[0]))
  return yaml + rest.join('')
}
