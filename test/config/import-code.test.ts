/*
 * Custom code is the same whether Node.js loads it or jiti: what loads, what it imports, how often it
 * runs. The tests pass on each version of Node.js, with the loader that it gets there.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { importCode } from '../../src/config/import-code.ts'
import { loadComponent } from '../../src/config/load-component.ts'
import { SluiceError } from '../../src/errors.ts'
import * as sluice from '../../src/index.ts'
import * as testing from '../../src/testing/index.ts'
import { openWorkspace } from '../support/command.ts'
import { makeProject } from '../support/config-project.ts'

type Files = { readonly [path: string]: string }

/** Each counts how often it runs, in a variable of the process. */
const COUNT = `globalThis.importCodeRuns = (globalThis.importCodeRuns ?? 0) + 1\n`

function takeRuns(): unknown {
  const runs: unknown = Reflect.get(globalThis, 'importCodeRuns')
  Reflect.deleteProperty(globalThis, 'importCodeRuns')
  return runs
}

async function load(t: TestContext, files: Files, id = 'parts/a.ts') {
  const root = await makeProject(t, files)
  takeRuns()
  return importCode(id.startsWith('parts') ? join(root, id) : id, join(root, 'pipelines/x.yaml'))
}

const SYNTAX: { readonly [title: string]: Files } = {
  'types only': { 'parts/a.ts': `${COUNT}export const value: number = 1` },
  enum: { 'parts/a.ts': `${COUNT}enum Level { low = 1 }\nexport const value = Level.low` },
  'parameter properties': {
    'parts/a.ts': `${COUNT}class A { constructor(readonly value: number) {} }\nexport const value = new A(1).value`,
  },
  namespace: { 'parts/a.ts': `${COUNT}namespace N { export const one = 1 }\nexport const value = N.one` },
  'an enum in an imported file': {
    'parts/a.ts': `import { Level } from './level.ts'\n${COUNT}export const value: number = Level.low`,
    'parts/level.ts': 'export enum Level { low = 1 }',
  },
  'an enum in a file that the run imports': {
    'parts/a.ts': `${COUNT}const { Level } = await import('./level.ts')\nexport const value: number = Level.low`,
    'parts/level.ts': 'export enum Level { low = 1 }',
  },
  'a type that is imported like a value': {
    'parts/a.ts': `import { Value } from './types.ts'\n${COUNT}export const value: Value = 1`,
    'parts/types.ts': 'export type Value = number',
  },
  'an import without an ending': {
    'parts/a.ts': `import { one } from './one'\n${COUNT}export const value: number = one`,
    'parts/one.ts': 'export const one = 1',
  },
  'an import of a .ts file as .js': {
    'parts/a.ts': `import { one } from './one.js'\n${COUNT}export const value: number = one`,
    'parts/one.ts': 'export const one = 1',
  },
  'an import of a folder': {
    'parts/a.ts': `import { one } from './lib'\n${COUNT}export const value: number = one`,
    'parts/lib/index.ts': 'export const one = 1',
  },
  'JSON without an attribute': {
    'parts/a.ts': `import one from './one.json'\n${COUNT}export const value: number = one.one`,
    'parts/one.json': '{ "one": 1 }',
  },
  'JSON with an attribute': {
    'parts/a.ts': `import one from './one.json' with { type: 'json' }\n${COUNT}export const value: number = one.one`,
    'parts/one.json': '{ "one": 1 }',
  },
  '.tsx': {
    'parts/a.ts': `import { one } from './one.tsx'\n${COUNT}export const value: number = one`,
    'parts/one.tsx': 'export const one: number = 1',
  },
  'a package in TypeScript': {
    'parts/a.ts': `import { one } from 'typed'\n${COUNT}export const value: number = one`,
    'node_modules/typed/package.json': '{ "name": "typed", "type": "module", "exports": "./index.ts" }',
    'node_modules/typed/index.ts': 'export const one: number = 1',
  },
  'a package in CommonJS': {
    'parts/a.ts': `import one from 'plain'\n${COUNT}export const value: number = one.one`,
    'node_modules/plain/package.json': '{ "name": "plain" }',
    'node_modules/plain/index.js': 'module.exports = { one: 1 }',
  },
  'variables of CommonJS in a module': {
    'parts/a.ts': `import { join } from 'node:path'\n${COUNT}export const value = join(__dirname, '../parts') === __dirname ? 1 : 0`,
  },
  'require in a module': {
    'parts/a.ts': `${COUNT}const { one } = require('./one.json')\nexport const value: number = one`,
    'parts/one.json': '{ "one": 1 }',
  },
  'module in package.json': {
    'package.json': '{ "type": "module" }',
    'parts/a.ts': `import { one } from './one.ts'\n${COUNT}export const value: number = one`,
    'parts/one.ts': 'export const one: number = 1',
  },
}

for (const [title, files] of Object.entries(SYNTAX)) {
  test(`loads TypeScript, and runs it once: ${title}`, async (t) => {
    const { value } = await load(t, files)
    assert.equal(value, 1)
    assert.equal(takeRuns(), 1)
  })
}

test('code that fails when it runs has run once, whatever its error', async (t) => {
  for (const failing of [
    `await import('not-installed')`,
    `throw Object.assign(new Error('x'), { code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' })`,
    `new Function('const = 1')`,
  ]) {
    await assert.rejects(load(t, { 'parts/a.ts': `${COUNT}export const value: number = 1\n${failing}` }), failing)
    assert.equal(takeRuns(), 1, failing)
  }
})

test('sluice and sluice/testing are the running program, for every kind of file and for packages', async (t) => {
  const code = `import { defineTransform, openPipeline, SluiceError } from 'sluice'
    import { rehearse } from 'sluice/testing'
    export const now = { defineTransform, openPipeline, SluiceError, rehearse }
    export const later = async () => ({ ...(await import('sluice')), ...(await import('sluice/testing')) })`
  // Another copy that the project has installed.
  const other = {
    'node_modules/sluice/package.json': '{ "name": "sluice", "exports": { ".": "./a.js", "./testing": "./a.js" } }',
    'node_modules/sluice/a.js': 'module.exports = {}',
  }
  const plugin = {
    'node_modules/plugin/package.json': '{ "name": "plugin", "type": "module", "exports": "./index.js" }',
    'node_modules/plugin/index.js': `export * from './inner.js'`,
    'node_modules/plugin/inner.js': code,
  }
  const expected = {
    defineTransform: sluice.defineTransform,
    openPipeline: sluice.openPipeline,
    SluiceError: sluice.SluiceError,
    rehearse: testing.rehearse,
  }
  for (const installed of [{}, other]) {
    for (const id of ['parts/a.ts', 'parts/a.mts', 'parts/a.js', 'parts/a.mjs', 'plugin']) {
      const { now, later } = await load(t, { ...installed, ...plugin, [id]: code }, id)
      assert.deepEqual(now, expected, id)
      assert.ok(typeof later === 'function')
      const all: { readonly [name: string]: unknown } = await later()
      for (const [name, value] of Object.entries(expected)) assert.equal(all[name], value, `${id}: ${name}`)
    }
  }
})

test('an error names the file, the line and the column, also in an imported file and in odd folders', async (t) => {
  const root = await makeProject(t, {
    'my parts/ü(1).ts': `import { fail } from './fail.ts'\nexport default fail()`,
    'my parts/fail.ts': `interface Gone {\n  a: number\n}\nexport const fail = (): Gone => {\n  throw new Error('no')\n}`,
    'my parts/options.ts': `import { Choice } from 'sluice'\nexport default () => 1\nChoice(undefined as never, {})`,
    'my parts/enum.ts': `enum A { one }\n\nexport const x: number = A.one.toFixed().none()`,
  })
  const messageOf = async (type: string): Promise<string> => {
    const error: unknown = await loadComponent(type, 'transform', { file: join(root, 'pipelines/x.yaml'), root }).catch(
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof SluiceError)
    return error.message.replaceAll(root, 'ROOT')
  }
  assert.match(await messageOf('../my parts/ü(1).ts'), /^.* threw while loading: no at ROOT\/my parts\/fail\.ts:5:\d+$/)
  assert.match(await messageOf('../my parts/options.ts'), / at ROOT\/my parts\/options\.ts:3:\d+$/)
  assert.match(await messageOf('../my parts/enum.ts'), / at ROOT\/my parts\/enum\.ts:3:\d+$/)
})

test('nothing is written to the terminal, with and without a type in package.json', async (t) => {
  for (const manifest of ['{}', '{ "type": "module" }', undefined]) {
    const workspace = await openWorkspace(t)
    if (manifest !== undefined) await workspace.write('package.json', manifest)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write('parts/a.ts', `import { b } from './b.ts'\nexport default (record: object) => b(record)`)
    await workspace.write('parts/b.ts', `import type { Record } from 'sluice'\nexport const b = (r: object) => r`)
    await workspace.write('parts/c.js', `import { defineTransform } from 'sluice'\nexport default (record) => record`)
    await workspace.write('parts/d.cjs', `module.exports = (record) => record`)
    const transforms = ['a.ts', 'c.js', 'd.cjs'].map((name) => `{ type: ../parts/${name} }`).join(', ')
    await workspace.write(
      'pipelines/x.yaml',
      `source: { type: file, path: in.ndjson }\ntransforms: [${transforms}]\nsink: { type: stdout }\n`,
    )
    const { code, stdout, stderr } = await workspace.start(['run', 'x']).ended
    assert.deepEqual([code, stdout], [0, '{"id":1}\n'], stderr)
    assert.doesNotMatch(stderr, /warning|\(node:/i)
  }
})
