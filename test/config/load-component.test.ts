import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { loadComponent } from '../../src/config/load-component.ts'
import type { ComponentKind } from '../../src/registry.ts'
import { SluiceError } from '../../src/errors.ts'
import * as sluice from '../../src/index.ts'
import { makeProject } from '../support/config-project.ts'

async function load(
  t: TestContext,
  type: string,
  files: { [path: string]: string },
  kind: ComponentKind = 'transform',
) {
  const root = await makeProject(t, files)
  return loadComponent(type, kind, { file: join(root, 'pipelines/x.yaml'), root })
}

/** The message and hint of the error. */
async function failure(
  t: TestContext,
  type: string,
  files: { [path: string]: string },
  kind?: ComponentKind,
): Promise<string> {
  const root = await makeProject(t, files)
  const error: unknown = await loadComponent(type, kind ?? 'transform', {
    file: join(root, 'pipelines/x.yaml'),
    root,
  }).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof SluiceError, String(error))
  assert.equal(error.code, 'COMPONENT_LOAD_FAILED')
  return `${error.message} | ${error.hint ?? ''}`.replaceAll(root, 'ROOT')
}

test('loads a plain function as a transform without options, from TypeScript and JavaScript', async (t) => {
  const ts = await load(t, '../parts/a.ts', { 'parts/a.ts': 'export default (record: { a: number }) => record' })
  assert.equal(ts.kind, 'transform')
  assert.deepEqual(Object.keys(ts.fields), ['onError', 'concurrency', 'parallel'])
  for (const [name, code] of [
    ['a.js', 'export default (record) => record'],
    ['a.mjs', 'export default (record) => record'],
    ['a.cjs', 'module.exports = (record) => record'],
    ['b.cjs', 'exports.default = (record) => record'],
  ] as const) {
    assert.equal((await load(t, `./${name}`, { [`pipelines/${name}`]: code })).type, `./${name}`)
  }
})

test('sets the type of a declaration from the pipeline, and resolves `sluice` to this program', async (t) => {
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
  assert.deepEqual(Object.keys(declaration.fields), ['label', 'onError', 'concurrency', 'parallel'])
  assert.equal(declaration.examples[0]?.config['defineTransform'], sluice.defineTransform)
})

test('loads the default export of a module that TypeScript compiled to CommonJS', async (t) => {
  const compiled = `"use strict";
    Object.defineProperty(exports, "__esModule", { value: true });
    const sluice_1 = require("sluice");
    exports.default = (0, sluice_1.defineTransform)({ summary: 'Geo.', fields: {}, create: () => (record) => record });`
  const file = { 'package.json': '{ "type": "commonjs" }', 'dist/geo.js': compiled }
  assert.equal((await load(t, '../dist/geo.js', file)).summary, 'Geo.')
  const named = { 'node_modules/geo/package.json': '{ "name": "geo" }', 'node_modules/geo/index.js': compiled }
  assert.equal((await load(t, 'geo:default', named)).summary, 'Geo.')
})

test('loads a named export of a package', async (t) => {
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
    '@acme/plugin:gio: the package has no export "gio" | did you mean "geo"? exports: geo, other',
  )
  assert.match(await failure(t, '@acme/plugin:other', files), /exports neither a function nor a component/)
  assert.match(
    await failure(t, 'acme-none:geo', files),
    /the package "acme-none" is not installed \| run npm install acme-none/,
  )
})

test('takes neither a module of Node.js nor any function of a library for a transform', async (t) => {
  for (const type of [
    'child_process:execSync',
    'fs:readFileSync',
    'node:fs:writeFileSync',
    'fs/promises:rm',
    'node:fs/promises:rm',
    'process:exit',
    'module:createRequire',
  ]) {
    assert.match(await failure(t, type, {}), /names a module of Node\.js, which has no components \| name a file/)
  }
  assert.match(await failure(t, 'sluice:defineTransform', {}), /a module of Sluice itself/)
  const files = {
    'node_modules/shell/package.json': '{ "name": "shell", "type": "module", "exports": "./index.js" }',
    'node_modules/shell/index.js': 'export const run = (command) => command\nexport default run',
  }
  for (const type of ['shell:run', 'shell:default']) {
    assert.match(await failure(t, type, files), /is a function that was not declared as a transform/)
  }
})

test('reports code that does not load with its line and column', async (t) => {
  assert.equal(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': 'export default (record) => {\n  const x = ;\n}\n' }),
    '../parts/a.ts is not valid code: Unexpected token at ROOT/parts/a.ts:2:12 | ',
  )
  assert.match(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': '\nconst x = nothing.here\nexport default () => x\n' }),
    /^\.\.\/parts\/a\.ts threw while loading: nothing is not defined at ROOT\/parts\/a\.ts:2:\d+ \| $/,
  )
  assert.equal(
    await failure(t, '../parts/a.ts', { 'parts/a.ts': `import x from './none.ts'\nexport default x` }),
    `../parts/a.ts imports "./none.ts", which does not exist | `,
  )
  assert.match(await failure(t, '../parts/a.ts', { 'parts/a.ts': 'throw 5' }), /threw while loading: 5/)
})

test('rejects code without a usable export', async (t) => {
  assert.match(
    await failure(t, '../a.ts', { 'a.ts': 'export const a = 1' }),
    /has no default export \| add export default/,
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
    /exports a function, which is a transform and not a sink/,
  )
})

test('does not load code outside the project folder, not even through a symbolic link', async (t) => {
  const outside = await makeProject(t, { 'a.ts': 'throw new Error("loaded")' })
  const root = await makeProject(t, {})
  await symlink(join(outside, 'a.ts'), join(root, 'a.ts'))
  for (const type of [join(outside, 'a.ts'), '../a.ts']) {
    await assert.rejects(loadComponent(type, 'transform', { file: join(root, 'pipelines/x.yaml'), root }), (error) => {
      return error instanceof SluiceError && error.message.includes('is outside the project folder')
    })
  }
})
