import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { loadComponent } from '../../src/config/load-component.ts'
import type { Kind } from '../../src/registry.ts'
import { SluiceError } from '../../src/errors.ts'
import * as sluice from '../../src/index.ts'
import { makeProject } from '../support/config-project.ts'

async function load(t: TestContext, type: string, files: { [path: string]: string }, kind: Kind = 'transform') {
  const root = await makeProject(t, files)
  return loadComponent(type, kind, { file: join(root, 'pipelines/x.yaml'), root })
}

/** The message and hint of the failure. */
async function failure(t: TestContext, type: string, files: { [path: string]: string }, kind?: Kind): Promise<string> {
  const root = await makeProject(t, files)
  const error: unknown = await loadComponent(type, kind ?? 'transform', {
    file: join(root, 'pipelines/x.yaml'),
    root,
  }).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof SluiceError, String(error))
  assert.equal(error.code, 'COMPONENT_LOAD_FAILED')
  return `${error.message} | ${error.hint ?? ''}`.replaceAll(root, 'ROOT')
}

test('a plain function is a transform without options of its own, in TypeScript and in JavaScript', async (t) => {
  const ts = await load(t, '../parts/a.ts', { 'parts/a.ts': 'export default (record: { a: number }) => record' })
  assert.equal(ts.kind, 'transform')
  assert.deepEqual(Object.keys(ts.fields), ['onError', 'concurrency'])
  for (const [name, code] of [
    ['a.js', 'export default (record) => record'],
    ['a.mjs', 'export default (record) => record'],
    ['a.cjs', 'module.exports = (record) => record'],
  ] as const) {
    assert.equal((await load(t, `./${name}`, { [`pipelines/${name}`]: code })).type, `./${name}`)
  }
})

test('a declaration gets its type from the pipeline, and `sluice` is this program', async (t) => {
  const declaration = await load(t, '../parts/a.ts', {
    'parts/a.ts': `import { defineTransform, Type } from 'sluice'
      import { label } from './label.ts'
      export default defineTransform({
        summary: 'Labels.',
        fields: { label: Type.String({ default: label, description: 'x' }) },
        examples: [{ title: 'made by', config: { defineTransform } }],
        create: () => (record) => record,
      })`,
    'parts/label.ts': `export const label: string = 'seen'`,
  })
  assert.equal(declaration.type, '../parts/a.ts')
  assert.equal(declaration.kind, 'transform')
  assert.deepEqual(Object.keys(declaration.fields), ['label', 'onError', 'concurrency'])
  assert.equal(declaration.examples[0]?.config['defineTransform'], sluice.defineTransform)
})

test('a named export of a package is a component', async (t) => {
  const files = {
    'node_modules/@acme/plugin/package.json': '{ "name": "@acme/plugin", "type": "module", "exports": "./index.js" }',
    'node_modules/@acme/plugin/index.js': `import { defineTransform } from 'sluice'
      export const geo = defineTransform({ summary: 'Geo.', fields: {}, create: () => (record) => record })
      export const other = 5`,
  }
  const geo = await load(t, '@acme/plugin:geo', files)
  assert.equal(geo.type, '@acme/plugin:geo')
  assert.equal(geo.summary, 'Geo.')
  assert.equal(
    await failure(t, '@acme/plugin:gio', files),
    '@acme/plugin:gio: the package has no export "gio" | did you mean "geo"? it exports geo, other',
  )
  assert.match(await failure(t, '@acme/plugin:other', files), /exports neither a function nor a component/)
  assert.match(
    await failure(t, 'acme-none:geo', files),
    /the package "acme-none" is not installed \| npm install acme-none/,
  )
})

test('code that does not load is told with its own place', async (t) => {
  assert.equal(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': 'export default (record) => {\n  const x = ;\n}\n' }),
    '../parts/a.ts is not valid code: Unexpected token at ROOT/parts/a.ts:2:12 | ',
  )
  assert.match(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': '\nconst x = nothing.here\nexport default () => x\n' }),
    /^\.\.\/parts\/a\.ts failed while it was loaded: nothing is not defined at ROOT\/parts\/a\.ts:2:\d+ \| $/,
  )
  assert.equal(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': `import x from './none.ts'\nexport default x` }),
    `../parts/a.ts imports "./none.ts", which cannot be found | `,
  )
  assert.match(await failure(t, '../parts/a.ts', { 'parts/a.ts': 'throw 5' }), /failed while it was loaded: 5/)
})

test('code without a usable export is refused', async (t) => {
  assert.match(
    await failure(t, '../a.ts', { 'a.ts': 'export const a = 1' }),
    /has no default export \| write export default/,
  )
  assert.match(
    await failure(t, '../a.ts', { 'a.ts': 'export default { a: 1 }' }),
    /exports neither a function nor a component \| wrap it: defineTransform/,
  )
  assert.match(
    await failure(t, '../a.ts', { 'a.ts': 'export default null' }),
    /exports neither a function nor a component/,
  )
  assert.match(
    await failure(t, '../a.ts', { 'a.ts': 'export default () => 1' }, 'sink'),
    /exports a function, which is a transform, not a sink/,
  )
})

test('code outside of the project folder is not loaded, nor through a link', async (t) => {
  const outside = await makeProject(t, { 'a.ts': 'throw new Error("loaded")' })
  const root = await makeProject(t, {})
  await symlink(join(outside, 'a.ts'), join(root, 'a.ts'))
  for (const type of [join(outside, 'a.ts'), '../a.ts']) {
    await assert.rejects(loadComponent(type, 'transform', { file: join(root, 'pipelines/x.yaml'), root }), (error) => {
      return error instanceof SluiceError && error.message.includes('is outside of the project folder')
    })
  }
})
