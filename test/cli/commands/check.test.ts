import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parts, validPipeline } from '../../support/config-project.ts'
import { nodeVersionNotice } from '../../../src/cli/node-version.ts'
import { openProject } from '../../support/cli-project.ts'

const notice = nodeVersionNotice(process.version)
const wrong = validPipeline.replace('bucket:', 'bukcet:')

test('check reports each valid pipeline as ok and exits with 0', async (t) => {
  const work = await openProject(t, { ...parts, 'pipelines/a.yaml': validPipeline, 'pipelines/b.yml': validPipeline })
  assert.deepEqual(await work.sluice(['check']), {
    code: 0,
    stdout: 'pipelines/a.yaml: ok\npipelines/b.yml: ok\n',
    stderr: notice === undefined ? '' : `${notice}\n`,
  })
})

test('check prints all mistakes in all pipelines on stdout and exits with 2', async (t) => {
  const work = await openProject(t, {
    ...parts,
    'pipelines/a.yaml': wrong,
    'pipelines/b.yaml': validPipeline,
    'pipelines/c.yaml': wrong,
  })
  const { code, stdout, stderr } = await work.sluice(['check'])
  assert.equal(code, 2)
  assert.match(stdout, /^pipelines\/a\.yaml:6:3 error: unknown key "bukcet"/)
  assert.match(stdout, /^pipelines\/b\.yaml: ok$/m)
  assert.match(stdout, /^pipelines\/c\.yaml:6:3 error: unknown key "bukcet"/m)
  assert.match(stderr, /CONFIG_INVALID: 2 errors in 2 pipelines/)
})

test('check reports an unset variable as a warning', async (t) => {
  const work = await openProject(t, { ...parts, 'pipelines/a.yaml': validPipeline.replace('audit', '${env:BUCKET}') })
  const without = await work.sluice(['check', 'a'])
  assert.equal(without.code, 0)
  assert.match(without.stdout, /warning: the environment variable BUCKET is not set/)
  assert.match(without.stdout, /^pipelines\/a\.yaml: ok, 1 warning$/m)
  assert.equal((await work.sluice(['check', 'a'], { env: { BUCKET: 'audit' } })).stdout, 'pipelines/a.yaml: ok\n')
})

test('check notes whether each schema can use the fast path, or which keyword prevents that', async (t) => {
  const pipeline = `source: { type: file, path: x }
transforms:
  - { type: validate, schema: ../schemas/open.json }
  - { type: validate, schema: ../schemas/tight.json }
sink: { type: stdout }
`
  const work = await openProject(t, {
    ...parts,
    'pipelines/a.yaml': pipeline,
    x: '{"id":"e1"}\n',
    'schemas/open.json': '{"type":"object","required":["id"]}',
    'schemas/tight.json': '{"properties":{"id":{"pattern":"^e"}}}',
  })
  const { code, stdout, stderr } = await work.sluice(['check', 'a'])
  assert.equal(code, 0, stderr)
  assert.equal(
    stdout,
    `pipelines/a.yaml:3:31 note: transform validate: valid records are accepted without parsing (fast path)
pipelines/a.yaml:4:31 note: transform validate: every record is parsed and checked by ajv: the schema keyword "/properties/id/pattern" has no fast path
pipelines/a.yaml: ok
`,
  )
  assert.doesNotMatch((await work.sluice(['preview', 'a', 'x'])).stderr, /note:/)
})

test('check --json prints problems for editors and CI', async (t) => {
  const work = await openProject(t, { ...parts, 'pipelines/a.yaml': wrong })
  const { code, stdout } = await work.sluice(['check', 'a', '--json'])
  assert.equal(code, 2)
  const { errors, warnings, problems, notes }: { [key: string]: object[] | number } = JSON.parse(stdout)
  assert.deepEqual({ errors, warnings, notes }, { errors: 1, warnings: 0, notes: [] })
  assert.deepEqual(problems, [
    {
      severity: 'error',
      file: 'pipelines/a.yaml',
      line: 6,
      column: 3,
      length: 6,
      text: '  bukcet: audit',
      message: 'unknown key "bukcet" in sink ../parts/store.ts',
      hint: 'did you mean "bucket"? known keys: bucket, key, region, roll',
    },
  ])
})

test('check --set checks the pipeline with the override', async (t) => {
  const work = await openProject(t, { ...parts, 'pipelines/a.yaml': validPipeline })
  const { code, stdout } = await work.sluice([
    'check',
    'a',
    '--set',
    'sink.roll.maxBytes=5',
    '--set',
    'sink.bucket=other',
  ])
  assert.equal(code, 2)
  assert.match(stdout, /^--set:1:20 error: roll\.maxBytes of sink .* needs a unit/)
})

test('check suggests the closest name for an unknown pipeline', async (t) => {
  const work = await openProject(t, { ...parts, 'pipelines/jumpcloud.yaml': validPipeline })
  const { code, stdout, stderr } = await work.sluice(['check', 'jumpclod'])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /PIPELINE_NOT_FOUND: there is no pipeline "jumpclod"[^]*did you mean "jumpcloud"\?/)
  const empty = await (await openProject(t, {})).sluice(['check'])
  assert.equal(empty.code, 2)
  assert.match(empty.stderr, /PIPELINE_NOT_FOUND/)
})

test('check warns about record paths that the schema of validate does not know', async (t) => {
  const schema = {
    properties: {
      initiated_by: { properties: { email: {} }, additionalProperties: false },
      timestamp: {},
      service: {},
      client_ip: {},
    },
  }
  const work = await openProject(t, {
    'record.schema.json': JSON.stringify(schema),
    'tag.ts': 'export default (record) => record\n',
    'pipelines/a.yaml': `source: { type: file, path: in.ndjson }
transforms:
  - { type: validate, schema: ../record.schema.json }
  - type: redact
    rules:
      - { path: initated_by.email, action: mask }
      - { path: 'initiated_by.{email,nickname}', action: mask }
      - { path: other, when: { timestmp: 1 }, action: mask }
      - { path: '**.emial', action: mask }
  - { type: filter, drop: { servcie: x } }
  - { type: dedup, key: [id, clientip] }
sink: { type: file, path: out, key: 'dt={record.timestamps:yyyy-MM-dd}' }
`,
    'pipelines/b.yaml': `source: { type: file, path: in.ndjson }
transforms:
  - { type: validate, schema: ../record.schema.json }
  - { type: ../tag.ts }
  - { type: redact, rules: [{ path: timestmp, action: mask }] }
sink: { type: stdout }
`,
  })
  const { code, stdout } = await work.sluice(['check'])
  assert.equal(code, 0, stdout)
  const warnings = [...stdout.matchAll(/no (\S+) at the path (\S+)\n(?:.*\n){2} +(.*)/g)].map(([, key, , hint]) => [
    key,
    hint,
  ])
  assert.deepEqual(warnings, [
    ['initated_by', 'did you mean initiated_by?'],
    ['nickname', 'see the properties of the schema'],
    ['timestmp', 'did you mean timestamp?'],
    ['servcie', 'did you mean service?'],
    ['clientip', 'did you mean client_ip?'],
    ['timestamps', 'did you mean timestamp?'],
  ])
})

test('check follows references, alternatives, lists and maps of a schema, and the paths of when', async (t) => {
  const schema = {
    $ref: '#/$defs/event',
    $defs: {
      event: {
        type: 'object',
        properties: {
          actor: { anyOf: [{ $ref: '#/$defs/person' }, { type: 'null' }] },
          changes: { type: ['array', 'null'], items: { allOf: [{ $ref: '#/$defs/change' }] } },
          labels: { type: 'object', additionalProperties: { $ref: '#/$defs/person' } },
          extras: {
            type: 'object',
            properties: { known: {} },
            patternProperties: { '^x-': {} },
            additionalProperties: false,
          },
          pair: { type: 'array', prefixItems: [{ $ref: '#/$defs/person' }] },
          target: {
            oneOf: [
              { properties: { hostname: {} }, additionalProperties: false },
              { properties: { username: {} }, additionalProperties: false },
            ],
          },
          tree: { $ref: '#/$defs/event' },
          loop: { $ref: '#/$defs/loop' },
        },
      },
      person: { properties: { email: {}, parent: { $ref: '#/$defs/person' } }, additionalProperties: false },
      change: { properties: { field: {}, from: {}, to: {} }, additionalProperties: false },
      loop: { $ref: '#/$defs/loop' },
    },
  }
  const good = ['actor.parent.email', 'changes[*].{from,to}', 'labels.anything.email', 'extras.x-y', 'pair[*].email']
  const open = ['target.username', 'target.hostname', 'tree.tree.actor.email', 'loop.x.y', 'unheard.of']
  const rules = [...good, ...open].map((path) => `      - { path: '${path}', action: mask }\n`).join('')
  const work = await openProject(t, {
    'record.schema.json': JSON.stringify(schema),
    'pipelines/a.yaml': `source: { type: file, path: in.ndjson }
transforms:
  - { type: validate, schema: ../record.schema.json }
  - type: redact
    rules:
${rules}      - { path: actor.parent.emial, action: mask }
      - { path: 'changes[*].{from,too}', action: mask }
      - { path: changes.from, action: mask }
      - { path: 'changes[*].{from,to}', when: { feild: x }, action: mask }
      - { path: 'changes[*].from', when: { field: x, to: y }, action: mask }
      - { path: labels.anything.mail, action: mask }
      - { path: extras.knwon, action: mask }
      - { path: 'pair[*].emall', action: mask }
      - { path: target.port, action: mask }
      - { path: tree.tree.actro.email, action: mask }
sink: { type: stdout }
`,
  })
  const { code, stdout } = await work.sluice(['check'])
  assert.equal(code, 0, stdout)
  const warnings = [...stdout.matchAll(/no (\S+) at the path (\S+)\n(?:.*\n){2} +(.*)/g)].map(([, key, path, hint]) => [
    key,
    path,
    hint,
  ])
  assert.deepEqual(warnings, [
    ['emial', 'actor.parent.emial', 'did you mean email?'],
    ['too', 'changes[*].{from,too}', 'see the properties of the schema'],
    ['from', 'changes.from', 'it is in the elements of an array: write [*] before .from'],
    ['feild', 'changes[*].feild', 'did you mean field?'],
    ['mail', 'labels.anything.mail', 'see the properties of the schema'],
    ['knwon', 'extras.knwon', 'did you mean known?'],
    ['emall', 'pair[*].emall', 'did you mean email?'],
    ['port', 'target.port', 'see the properties of the schema'],
    ['actro', 'tree.tree.actro.email', 'did you mean actor?'],
  ])
})

test('check notes which reader takes the records of documents, and why', async (t) => {
  const work = await openProject(t, {
    'pipelines/a.yaml': fileSource('records: data.events'),
    'pipelines/b.yaml': fileSource('records: [Records, events]'),
    'pipelines/c.yaml': fileSource("records: 'pages[*].items'"),
    'pipelines/d.yaml': fileSource("records: 'accounts.*', keyAs: account"),
    'pipelines/e.yaml': fileSource('records: $'),
  })
  const { code, stdout } = await work.sluice(['check'])
  assert.equal(code, 0)
  assert.match(
    stdout,
    /a\.yaml:1:\d+ note: source file: the path "data\.events" is one array at fixed keys, so documents are split as bytes/,
  )
  assert.match(
    stdout,
    /b\.yaml:1:\d+ note: source file: the paths "Records, events" lead to several arrays, so documents are parsed by stream-json/,
  )
  assert.match(
    stdout,
    /c\.yaml:1:\d+ note: source file: the path "pages\[\*\]\.items" is not one array at fixed keys, so documents are parsed/,
  )
  assert.match(
    stdout,
    /d\.yaml:1:\d+ note: source file: the path "accounts\.\*" is used with keyAs, so documents are parsed/,
  )
  assert.doesNotMatch(stdout, /e\.yaml:1:\d+ note/)
})

test('check refuses paths of records that cannot lead to records', async (t) => {
  const http = "source: { type: http, request: { url: 'https://a.example/' }, records: 'pages[*].items' }\n"
  const work = await openProject(t, {
    'pipelines/a.yaml': fileSource("records: '$.Records'"),
    'pipelines/b.yaml': fileSource("records: 'data.**'"),
    'pipelines/c.yaml': fileSource('records: Records, keyAs: account'),
    'pipelines/d.yaml': fileSource("records: ['Records[]']"),
    'pipelines/e.yaml': `${http}sink: { type: stdout }\nallowRepeats: true\n`,
  })
  const { code, stdout } = await work.sluice(['check'])
  assert.equal(code, 2)
  assert.match(
    stdout,
    /a\.yaml:1:\d+ error: records of source file: path "\$\.Records": at character 1: .*leave out "\$"/,
  )
  assert.match(stdout, /b\.yaml:1:\d+ error: records of source file: path "data\.\*\*": \*\* cannot be its end/)
  assert.match(stdout, /c\.yaml:1:\d+ error: source file: the path "Records" leaves no key open for keyAs/)
  assert.match(stdout, /d\.yaml:1:\d+ error: records\[0\] of source file: path "Records\[\]": /)
  assert.match(
    stdout,
    /e\.yaml:1:\d+ error: source http: the path "pages\[\*\]\.items" of the records must consist of keys/,
  )
})

function fileSource(fields: string): string {
  return `source: { type: file, path: x, ${fields} }\nsink: { type: stdout }\n`
}
