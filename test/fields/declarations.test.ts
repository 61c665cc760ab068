import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { editorSchema } from '../../src/generate/editor-schema.ts'
import { fieldRows } from '../../src/config/field-rows.ts'
import { generatedFiles, PAGES } from '../../src/generate/generated-files.ts'
import type { Declaration } from '../../src/registry.ts'
import { loadPipeline } from '../../src/config/load.ts'
import { exampleYaml } from '../../src/generate/pages.ts'
import { renderProblems } from '../../src/config/render.ts'
import { builtIns, loadComponents } from '../../src/registry.ts'
import { makeProject, parts, validPipeline, writeFiles } from '../support/config-project.ts'
import { REPOSITORY } from '../support/paths.ts'

const components = await loadComponents()

test('every component is unique by kind and type, and describes all of its fields', () => {
  assert.equal(new Set(components.map(({ kind, type }) => `${kind} ${type}`)).size, components.length)
  for (const { kind, type, summary, fields, examples } of components) {
    assert.match(type, /^[a-z][a-zA-Z0-9]*$/)
    assert.match(summary, /^[A-Z].*\.$/, `the summary of ${kind} ${type} is a sentence`)
    assert.ok(examples.length > 0, `${kind} ${type} has no example`)
    for (const row of fieldRows(fields))
      assert.ok(row.description !== '', `${row.name} of ${kind} ${type} is not described`)
  }
})

test('the list of components says the same as their declarations', () => {
  assert.deepEqual(
    builtIns.map(({ kind, type, summary }) => ({ kind, type, summary })),
    components.map(({ kind, type, summary }) => ({ kind, type, summary })),
  )
})

test('every component is declared in a file with its name', async () => {
  for (const { kind, type } of components) {
    const text = await readFile(join(REPOSITORY, 'src', `${kind}s`, `${type}.ts`), 'utf8')
    assert.ok(text.includes(`type: '${type}'`), `${kind} ${type}`)
  }
})

test('every example passes the check and matches the editor schema', async (t) => {
  const files = await exampleFiles()
  const root = await makeProject(t, { ...parts, ...files })
  const validate = new Ajv({ strict: false }).compile(editorSchema(components))
  for (const declaration of components) {
    for (const example of declaration.examples) {
      const yaml = pipelineOf(declaration, exampleYaml(declaration, example))
      await writeFiles(root, { 'pipelines/x.yaml': yaml })
      const { pipeline, problems } = await loadPipeline('x', { root, mode: 'check', env: {} })
      assert.ok(pipeline, `${declaration.type}: ${example.title}\n${await renderProblems(problems)}`)
      assert.ok(validate(parse(yaml)), `${declaration.type}: ${example.title}\n${JSON.stringify(validate.errors)}`)
    }
  }
})

test('the editor schema finds mistakes, and allows ${...} and custom components', () => {
  const validate = new Ajv({ strict: false }).compile(editorSchema(components))
  assert.ok(validate(dedup({ key: 'id', memory: '1GiB' })))
  assert.ok(validate(dedup({ key: ['id'], missing: '${env:MISSING:-pass}', memory: '${env:MEMORY}' })))
  assert.ok(!validate(dedup({ key: 'id', memori: '1GiB' })))
  assert.ok(!validate(dedup({ key: 'id', missing: 'perhaps' })))
  assert.ok(!validate(dedup({ key: 'id', memory: 'PT5M' })))
  assert.ok(!validate(dedup({})))
  assert.ok(!validate({ ...dedup({ key: 'id' }), sink: { type: 'nothing' } }))
  assert.ok(!validate({ ...dedup({ key: 'id' }), sinks: {} }))
})

test('the generated files are up to date (otherwise run `npm run generated`)', async () => {
  const files = await generatedFiles()
  for (const [path, content] of files) {
    assert.equal(await readFile(join(REPOSITORY, path), 'utf8').catch(() => 'missing'), content, path)
  }
  const pages = (await readdir(join(REPOSITORY, PAGES))).map((name) => `${PAGES}/${name}`)
  assert.deepEqual(
    pages.filter((path) => !files.has(path)),
    [],
  )
})

function dedup(config: object): object {
  return {
    source: { type: './mine.ts', anything: 1 },
    transforms: [{ type: 'dedup', ...config }],
    sink: { type: '@acme/plugin:store' },
  }
}

/** The example in an otherwise valid pipeline. */
function pipelineOf(declaration: Declaration, yaml: string): string {
  const rest = validPipeline.split(/^(?=\w)/m).filter((section) => !section.startsWith(`${declaration.kind}:`))
  const repeats = declaration.kind === 'source' && declaration.repeats
  return `${yaml}${rest.join('')}${repeats ? 'allowRepeats: true\n' : ''}`
}

/** The files that examples name. */
async function exampleFiles(): Promise<{ [path: string]: Buffer }> {
  const schema = 'schemas/jumpcloud-event.schema.json'
  const files: { [path: string]: Buffer } = { [schema]: await readFile(join(REPOSITORY, schema)) }
  for (const name of await readdir(join(REPOSITORY, 'samples/tables'))) {
    files[`tables/${name}`] = await readFile(join(REPOSITORY, 'samples/tables', name))
  }
  return files
}
