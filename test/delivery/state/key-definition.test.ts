import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { describe, test, type TestContext } from 'node:test'
import { openWorkspace, type Workspace } from '../../support/command.ts'

const DEDUP = '{ type: dedup, key: [id, user.name, time], time: time }'
const HMAC = '{ type: redact, preset: none, rules: [{ path: user.name, action: hmac, key: "${env:HMAC_KEY}" }] }'
const EVENTS = `{"id":1,"user":{"name":"ann"},"time":"2024-03-04T18:01:26Z","ip":"10.0.0.1"}
{"id":2,"user":{"name":"bob"},"time":"2024-03-04T18:01:27Z","ip":"10.0.0.2"}
`

async function openEvents(t: TestContext, transforms: readonly string[]): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', EVENTS)
  await define(workspace, transforms)
  return workspace
}

async function define(workspace: Workspace, transforms: readonly string[]): Promise<void> {
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }\ntransforms: [${transforms.join(', ')}]\nsink: { type: file, path: out }\n`,
  )
}

const ENV = { HMAC_KEY: 'the-first-key-of-two' }

/** Reads everything again. Returns the exit status, what was written, and standard error. */
async function readAgain(workspace: Workspace, env: { readonly [name: string]: string } = ENV) {
  const rewound = await workspace.sluice(['state', 'rewind', 'p', '--yes'])
  assert.equal(rewound.code, 0, rewound.stderr)
  const { code, stderr } = await workspace.sluice(['run', 'p', '--report', 'report.json'], { env })
  const written: unknown =
    code === 0 ? JSON.parse(await readFile(workspace.path('report.json'), 'utf8')).written : undefined
  return { code, written, stderr }
}

async function change(t: TestContext, before: readonly string[], after: readonly string[], env = ENV) {
  const workspace = await openEvents(t, before)
  assert.equal((await workspace.report(['run', 'p'], { env: ENV })).written, 2)
  await define(workspace, after)
  return { workspace, ...(await readAgain(workspace, env)) }
}

describe('a change of how dedup keys are made', () => {
  const changes: readonly (readonly [string, readonly string[], readonly string[], RegExp])[] = [
    ['a pseudonym that is now made before dedup', [DEDUP, HMAC], [HMAC, DEDUP], /redact before dedup now changes/],
    ['a pseudonym that is now made after dedup', [HMAC, DEDUP], [DEDUP, HMAC], /redact before dedup no longer/],
    [
      'a mask in place of a pseudonym',
      [HMAC, DEDUP],
      [HMAC.replace('hmac', 'mask').replace(/, key: .*?}"/, ''), DEDUP],
      /what redact before dedup does/,
    ],
    [
      'a condition of a rule',
      [HMAC, DEDUP],
      [HMAC.replace('action', 'when: { id: 1 }, action'), DEDUP],
      /what redact before dedup does/,
    ],
    [
      'a rule for the object around a value of the key',
      [DEDUP],
      ['{ type: redact, preset: none, rules: [{ path: "*", action: mask }] }', DEDUP],
      /redact before dedup now/,
    ],
    [
      'a preset whose names match a field of the key',
      ['{ type: dedup, key: [id, token] , missing: pass }'],
      ['{ type: redact }', '{ type: dedup, key: [id, token], missing: pass }'],
      /redact before dedup now/,
    ],
    [
      'a member of the key that is now removed in part',
      ['{ type: dedup, key: [id, user] }'],
      ['{ type: remove, paths: [user.age] }', '{ type: dedup, key: [id, user] }'],
      /remove before dedup now changes/,
    ],
    [
      'a list that now keeps less of a member of the key',
      ['{ type: keep, paths: [id, user] }', '{ type: dedup, key: [id, user] }'],
      ['{ type: keep, paths: [id, user.name] }', '{ type: dedup, key: [id, user] }'],
      /keep before dedup now changes/,
    ],
    [
      'a pseudonym of a value that becomes a part of the key under another name',
      ['{ type: rename, members: [{ from: user.name, to: owner }] }', '{ type: dedup, key: [id, owner] }'],
      [HMAC, '{ type: rename, members: [{ from: user.name, to: owner }] }', '{ type: dedup, key: [id, owner] }'],
      /redact before dedup now changes/,
    ],
    [
      'a mask of a value of which set makes a part of the key',
      ['{ type: set, members: [{ path: k, template: "{record.id}-{record.ip}" }] }', '{ type: dedup, key: k }'],
      [
        '{ type: redact, preset: none, rules: [{ path: ip, action: mask }] }',
        '{ type: set, members: [{ path: k, template: "{record.id}-{record.ip}" }] }',
        '{ type: dedup, key: k }',
      ],
      /redact before dedup now changes/,
    ],
    ['another path in the key', [DEDUP], [DEDUP.replace('user.name, ', '')], /dedup\.key/],
    ['dedup that is gone', [DEDUP], [], /dedup is gone/],
  ]
  for (const [what, before, after, message] of changes) {
    test(`is refused: ${what}`, async (t) => {
      const { code, stderr } = await change(t, before, after)
      assert.equal(code, 6, stderr)
      assert.match(stderr, /STATE_MISMATCH/)
      assert.match(stderr, message)
      assert.match(stderr, /sluice state accept p.*sluice state reset p/)
    })
  }

  test('is refused when the secret of a pseudonym in the key is rotated, and undone with the old secret', async (t) => {
    const { workspace, code, stderr } = await change(t, [HMAC, DEDUP], [HMAC, DEDUP], {
      HMAC_KEY: 'the-second-key-of-two',
    })
    assert.equal(code, 6)
    assert.match(stderr, /STATE_MISMATCH: .*a secret of redact before dedup/)
    assert.deepEqual((await readAgain(workspace)).written, 0)
  })

  test('is none if a stage before dedup cannot change the key', async (t) => {
    const others = [
      '{ type: redact, rules: [{ path: ip, action: hmac, key: "${env:HMAC_KEY}" }] }',
      '{ type: redact, preset: none, rules: [{ path: user.mail, action: drop }] }',
      '{ type: filter, drop: { id: 3 } }',
    ]
    const { code, written, stderr } = await change(t, [DEDUP], [...others, DEDUP, HMAC], {
      HMAC_KEY: 'the-second-key-of-two',
    })
    assert.equal(code, 0, stderr)
    assert.equal(written, 0)
  })

  test('is taken over by `state accept`, which asks, leaves a row and needs no variable of source and sink', async (t) => {
    const { workspace } = await change(t, [DEDUP], [HMAC, DEDUP])
    const asked = await workspace.sluice(['state', 'accept', 'p'], { env: ENV })
    assert.equal(asked.code, 2)
    assert.match(asked.stderr, /redact before dedup now changes the key\n.*2 written records will not be recognized/)
    assert.equal((await readAgain(workspace)).code, 6)
    const { code, stderr } = await workspace.sluice(
      ['state', 'accept', 'p', '--yes', '--set', 'sink.path=${env:NOT_SET}'],
      { env: ENV },
    )
    assert.equal(code, 0, stderr)
    assert.equal((await readAgain(workspace)).written, 2)
    assert.equal((await readAgain(workspace)).written, 0)
    const shown = await workspace.sluice(['state', 'show', 'p'])
    assert.match(shown.stdout, /changed {5}\S+Z accept: redact before dedup now changes the key\n/)
    const again = await workspace.sluice(['state', 'accept', 'p', '--yes'], { env: ENV })
    assert.match(again.stdout, /nothing to accept/)
  })

  test('is possible with a new state', async (t) => {
    const { workspace } = await change(t, [DEDUP], [HMAC, DEDUP])
    assert.equal((await workspace.sluice(['state', 'reset', 'p', '--yes'])).code, 0)
    assert.equal((await workspace.report(['run', 'p'], { env: ENV })).written, 2)
  })

  test('stores no secret, and no fast digest of one', async (t) => {
    const workspace = await openEvents(t, [HMAC, DEDUP])
    await workspace.report(['run', 'p'], { env: { HMAC_KEY: 'hunter2-hunter2-hunter2' } })
    const files = await readdir(workspace.path('.sluice', 'p', 'state'))
    assert.ok(files.includes('data.mdb'))
    for (const file of files) {
      const bytes = await readFile(workspace.path('.sluice', 'p', 'state', file))
      assert.ok(!bytes.includes('hunter2-hunter2-hunter2'))
    }
  })
})

describe('custom code before dedup', () => {
  const TRANSFORM = `import { spelling } from './lib/spelling.js'
export default (record) => record.set('user.name', spelling(record.get('user.name')))
`
  const TAG = '{ type: ../transforms/name.ts }'

  async function openCustom(t: TestContext): Promise<Workspace> {
    const workspace = await openEvents(t, [TAG, DEDUP])
    await workspace.write('transforms/name.ts', TRANSFORM)
    await workspace.write('transforms/lib/spelling.ts', 'export const spelling = (name: any) => name\n')
    await workspace.report(['run', 'p'])
    return workspace
  }

  test('that has changed is a warning in the log, once', async (t) => {
    const workspace = await openCustom(t)
    assert.doesNotMatch((await readAgain(workspace)).stderr, /custom code/)
    await workspace.write('transforms/name.ts', `${TRANSFORM}// changed\n`)
    const { code, written, stderr } = await readAgain(workspace)
    assert.deepEqual([code, written], [0, 0], stderr)
    assert.match(stderr, /custom code before dedup differs.*the code of \.\.\/transforms\/name\.ts has changed/)
    assert.doesNotMatch((await readAgain(workspace)).stderr, /custom code/)
  })

  test('is compared with the files that it imports', async (t) => {
    const workspace = await openCustom(t)
    await workspace.write('transforms/lib/spelling.ts', 'export const spelling = (name: any) => `${name}!`\n')
    const { code, written, stderr } = await readAgain(workspace)
    assert.deepEqual([code, written], [0, 2], stderr)
    assert.match(stderr, /the code of \.\.\/transforms\/name\.ts has changed/)
  })

  test('after dedup does not matter', async (t) => {
    const workspace = await openEvents(t, [DEDUP, TAG])
    await workspace.write('transforms/name.ts', 'export default (record) => record\n')
    await workspace.report(['run', 'p'])
    await workspace.write('transforms/name.ts', 'export default (record) => record.set("x", 1)\n')
    assert.doesNotMatch((await readAgain(workspace)).stderr, /custom code/)
  })

  test('that says what it changes is treated as a built-in', async (t) => {
    const workspace = await openEvents(t, ['{ type: ../transforms/lower.ts, field: id }', DEDUP])
    await workspace.write(
      'transforms/lower.ts',
      `import { defineTransform, Type } from 'sluice'
export default defineTransform({
  summary: 'Lower case.',
  fields: { field: Type.String({ description: 'The field.' }) },
  effectOn: ({ field }, paths) => (paths.includes(field) ? { settings: { field } } : undefined),
  create: () => (record) => record,
})
`,
    )
    await workspace.report(['run', 'p'])
    await define(workspace, ['{ type: ../transforms/lower.ts, field: ip }', DEDUP])
    const { code, stderr } = await readAgain(workspace)
    assert.equal(code, 6)
    assert.match(stderr, /lower\.ts before dedup no longer changes the key/)
  })
})
