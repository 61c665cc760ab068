import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeProject } from './support/config-project.ts'
import { REPOSITORY } from './support/paths.ts'

/** Small files in some of the layers, with only the imports that the layers allow. */
const SOUND = {
  'src/cli/main.ts': "import { run } from '../runtime/run.ts'\nexport const main = run\n",
  'src/runtime/run.ts': "import { scan } from '../record/scan.ts'\nexport const run = scan\n",
  'src/record/scan.ts': "import { fail } from '../errors.ts'\nexport const scan = fail\n",
  'src/sources/file.ts': "import { scan } from '../record/scan.ts'\nexport const file = scan\n",
  'src/sinks/s3.ts': 'export const s3 = 1\n',
  'src/errors.ts': 'export const fail = 1\nexport type Fail = typeof fail\n',
}

const cases: readonly [title: string, planted: { readonly [path: string]: string }, expected: RegExp | undefined][] = [
  ['imports that go down', {}, undefined],
  [
    'an import of a higher layer',
    { 'src/record/scan.ts': "import { run } from '../runtime/run.ts'\nexport const scan = run\n" },
    /error .*src\/record\/scan\.ts → src\/runtime\/run\.ts/,
  ],
  [
    'an import of nothing but a type of a higher layer',
    { 'src/errors.ts': "import type { file } from './sources/file.ts'\nexport type Fail = typeof file\n" },
    /error .*src\/errors\.ts → src\/sources\/file\.ts/,
  ],
  [
    'an import of a folder beside its own',
    { 'src/sinks/s3.ts': "import { file } from '../sources/file.ts'\nexport const s3 = file\n" },
    /error .*src\/sinks\/s3\.ts → src\/sources\/file\.ts/,
  ],
  [
    'a cycle within a folder',
    {
      'src/record/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
      'src/record/b.ts': "import { a } from './a.ts'\nexport const b = () => a\n",
    },
    /error no-cycle: src\/record\/[ab]\.ts/,
  ],
  [
    'a folder that is in no layer',
    { 'src/helpers/x.ts': "import { fail } from '../errors.ts'\nexport const x = fail\n" },
    /error in-a-layer: src\/helpers\/x\.ts/,
  ],
]

for (const [title, planted, expected] of cases) {
  test(`the layer check ${expected ? 'refuses' : 'takes'} ${title}`, async (t) => {
    const root = await makeProject(t, { ...SOUND, ...planted })
    const cruiser = join(REPOSITORY, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
    const rules = join(REPOSITORY, '.dependency-cruiser.mjs')
    const child = spawn(process.execPath, [cruiser, 'src', '--config', rules], { cwd: root })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)))
    const [code] = await once(child, 'close')
    assert.equal(code === 0, expected === undefined, output)
    if (expected) assert.match(output, expected)
  })
}
