import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { openProject } from './project.ts'

const owner =
  'export default (record: any) => (record.has("owner") ? record : record.reject("NO_OWNER", "owner is empty"))\n'

function pipeline(more = ''): string {
  return `source: { type: file, path: in.ndjson }
transforms:
  - { type: redact, rules: [{ path: ip, action: mask }] }
  - { type: ../owner.ts }
  - { type: dedup, key: id, missing: reject }
sink: { type: file, path: out }
${more}`
}

const broken = Buffer.from([0x7b, 0xff, 0xfe, 0x0a])
const input = Buffer.concat([
  Buffer.from(
    '{"id":1,"owner":1}\n{"id":2,"ip":"10.0.0.1","big":12345678901234567890,"odd":"\u2028\u009b"}\n{"owner":1}\nbroken "record":\n',
  ),
  broken,
  Buffer.from('{"id":3}\n'),
])

interface Line {
  code: string
  stage: string
  line: number
  record?: { id?: number; ip?: string }
  text?: string
  base64?: string
}

function parse(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line): Line => JSON.parse(line))
}

describe('sluice rejects show', () => {
  test('groups what was refused by code and stage', async (t) => {
    const workspace = await openProject(t, { 'owner.ts': owner, 'pipelines/p.yaml': pipeline() })
    await workspace.write('in.ndjson', input)
    await workspace.report(['run', 'p'])

    const { code, stdout, stderr } = await workspace.sluice(['rejects', 'show', 'p', '--limit', '1'])

    assert.equal(code, 0, stderr)
    assert.equal(
      stdout,
      `NO_OWNER at owner: 2
  in.ndjson:2  owner is empty  {"id":2,"ip":"[redacted]","big":12345678901234567890,"odd":"\u2028?"}
  … and 1 more
INVALID_JSON at source: 1
  in.ndjson:4
INVALID_UTF8 at source: 1
  in.ndjson:5
KEY_MISSING at dedup: 1
  in.ndjson:3  id is missing  {"owner":1}
`,
    )
    const json = await workspace.sluice(['rejects', 'show', 'p', '--json', '--code', 'NO_OWNER', '--stage', 'owner'])
    assert.deepEqual(
      parse(json.stdout).map(({ code: name, stage, record }) => [name, stage, record?.id, record?.ip]),
      [
        ['NO_OWNER', 'owner', 2, '[redacted]'],
        ['NO_OWNER', 'owner', 3, undefined],
      ],
    )
    assert.equal(parse((await workspace.sluice(['rejects', 'show', 'p', '--json', '--limit', '2'])).stdout).length, 2)
    assert.equal((await workspace.sluice(['rejects', 'show', 'p', '--stage', 'filter'])).stdout, 'no rejects\n')
  })

  test('has them beside the copies that went to a sink', async (t) => {
    const more = 'rejects: { type: file, path: refused, compression: none, unparsed: keep }\n'
    const workspace = await openProject(t, { 'owner.ts': owner, 'pipelines/p.yaml': pipeline(more) })
    await workspace.write('in.ndjson', input)
    await workspace.report(['run', 'p'])
    const { stdout } = await workspace.sluice(['rejects', 'show', 'p', '--json'])
    const unparsed = parse(stdout).filter(({ stage }) => stage === 'source')
    assert.deepEqual(
      new Map(unparsed.map(({ line, text, base64 }) => [line, text ?? base64])),
      new Map([
        [4, 'broken "record":'],
        [5, broken.subarray(0, -1).toString('base64')],
      ]),
    )
    assert.deepEqual(
      unparsed.map(({ base64 }) => base64 === undefined),
      unparsed.map(({ line }) => line === 4),
    )
    assert.equal(parse(stdout).length, 5)
    const { code, stdout: verified } = await workspace.sluice(['verify', 'p', '--json'])
    assert.equal(code, 0, verified)
    const [file] = await readdir(workspace.path('.sluice/p/rejects'))
    await writeFile(workspace.path('.sluice/p/rejects', file), '{}\n')
    assert.match((await workspace.sluice(['verify', 'p'])).stdout, /altered +rejects\/00000001\.ndjson/)
    await rm(workspace.path('.sluice/p/rejects', file))
    assert.match(
      (await workspace.sluice(['verify', 'p'])).stdout,
      /missing +rejects\/00000001\.ndjson: 5 records are gone/,
    )
  })

  test('lets the oldest go when their space is used up, and says so', async (t) => {
    const workspace = await openProject(t, {
      'owner.ts': owner,
      'pipelines/p.yaml': pipeline('rejects: { local: 64KiB }\n'),
    })
    const lines = Array.from({ length: 3000 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(100)}"}\n`)
    await workspace.write('in.ndjson', lines.join(''))
    const report = await workspace.report(['run', 'p'])
    assert.equal(report.rejected, 3000)
    await workspace.write('in.ndjson', `${lines.join('')}{"id":"last"}\n`)
    const second = await workspace.sluice(['run', 'p'])
    assert.equal(second.code, 0)
    assert.match(second.stderr, /oldest local rejects were deleted.* records=3000/)
    const { stdout, stderr } = await workspace.sluice(['rejects', 'show', 'p'])
    assert.equal(stdout, 'NO_OWNER at owner: 1\n  in.ndjson:3001  owner is empty  {"id":"last"}\n')
    assert.equal(stderr, '3,000 older ones were deleted for want of space\n')
    assert.equal((await workspace.sluice(['verify', 'p'])).code, 0)
  })
})
