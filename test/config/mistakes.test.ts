import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import { loadPipeline } from '../../src/config/load.ts'
import { renderProblems } from '../../src/config/render.ts'
import { makeProject, parts, validPipeline, writeFiles } from '../support/config-project.ts'
import { REPOSITORY } from '../support/paths.ts'

/**
 * Each file contains a mistake and, after a line of `=`, the exact output for it. Without a line
 * that begins with `source:` or `# whole`, the sections of a valid pipeline are appended, except
 * those that the file has itself. `# mode: run` and `# set: path=value` set options.
 */
const folder = pathToFileURL(`${REPOSITORY}/test/config/mistakes/`)
const files = (await readdir(folder)).toSorted()

test('reports every kind of mistake with location, carets and hint', async (t) => {
  assert.ok(files.length > 40, 'the files are missing')
  const root = await makeProject(t, { ...parts, ...tables, 'tables/geo.mmdb': await readFile(GEO) })
  for (const file of files) {
    await t.test(basename(file, '.txt').replaceAll('-', ' '), async () => {
      const [yaml = '', expected = ''] = (await readFile(new URL(file, folder), 'utf8')).split('=====\n')
      assert.equal(await renderMistake(root, yaml), expected)
    })
  }
})

const GEO = `${REPOSITORY}/samples/tables/geo.mmdb`
const tables = {
  'tables/accounts.csv': 'id,owner,tier\n4711,platform,gold\n',
  'tables/networks.csv': 'net,site\n10.0.0.0/8,office\n10.1.0.1/16,lab\n',
  'tables/twice.csv': 'id,owner\n1,a\n2,b\n1,c\n',
  'tables/broken.mmdb': 'half of a download',
}

async function renderMistake(root: string, yaml: string): Promise<string> {
  const mode = /^# mode: run$/m.test(yaml) ? 'run' : 'check'
  const set = [...yaml.matchAll(/^# set: (.*)$/gm)].map((match) => match[1])
  await writeFiles(root, { 'pipelines/x.yaml': completePipeline(yaml) })
  const env = { AUDIT_BUCKET: 'audit', COUNT: 'many', JUMPCLOUD_API_KEY: 'jc-0123456789abcdef' }
  const { problems, pipeline } = await loadPipeline('x', { root, mode, set, env })
  assert.equal(
    pipeline === undefined,
    problems.some(({ severity }) => severity === 'error'),
  )
  return (await renderProblems(problems)).replaceAll(root, 'ROOT')
}

function completePipeline(yaml: string): string {
  if (/^(source:|whole)|# whole/m.test(yaml)) return yaml
  const own = new Set([...yaml.matchAll(/^(\w+):/gm)].map((match) => match[1]))
  const rest = validPipeline.split(/^(?=\w)/m).filter((section) => !own.has(section.split(':')[0]))
  return yaml + rest.join('')
}
