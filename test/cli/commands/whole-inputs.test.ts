import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { compressionProblem } from '../../../src/compression/compress.ts'
import { openProject } from '../../support/cli-project.ts'
import { SOURCE_OF_PAGES } from './source-of-pages.ts'

const NOW = 'now: 2024-03-05T12:00:00Z\n'

/** What would lead a client of the SDK elsewhere. */
const AWS = {
  AWS_PROFILE: 'absent',
  AWS_REGION: 'elsewhere',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9/elsewhere',
  AWS_USE_DUALSTACK_ENDPOINT: 'true',
}

describe('a whole test of the source s3', () => {
  const PIPELINE = `source: { type: s3, path: 's3://audit/logs/{yyyy}/{MM}/{dd}/*', records: Records, since: 3d, lookBack: 2h }
transforms: [{ type: dedup, key: id }]
sink: { type: file, path: out, key: 'e/{record.day}' }
`
  const OBJECTS = `objects:
  - { key: logs/2024/03/01/old.json.gz, json: { Records: [{ id: old, day: 1 }] } }
  - { key: logs/2024/03/04/a.json.gz, json: { Records: [{ id: a, day: 4 }, { day: 4 }] } }
  - { key: logs/2024/03/05/b.json, json: { Records: [{ id: b, day: 5 }, { id: a, day: 5 }] } }
  - { key: logs/2024/03/05/c.json.br, json: { Records: [{ id: c, day: 5 }] } }
`
  const EXPECT = `expect:
  objects: { e/4: [{ id: a, day: 4 }], e/5: [{ id: b, day: 5 }, { id: c, day: 5 }] }
  rejects: [{ code: KEY_MISSING, stage: dedup, line: 2 }]
  ledger: { read: 5, written: 3, duplicate: 1, rejected: 1 }
`

  test('reads the objects of the test by its clock, with the same result after a crash between them and in one', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': `name: plain\n${NOW}${OBJECTS}${EXPECT}`,
      'tests/p/b.yaml': `name: between\n${NOW}restartAfter: 1\n${OBJECTS}${EXPECT}`,
      'tests/p/c.yaml': `name: inside\n${NOW}restartIn: 2\n${OBJECTS}${EXPECT}`,
    })
    const { code, stdout } = await work.sluice(['test'], { env: AWS })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /3 passed, 0 failed/)
  })

  test('finds a key that came late and an object that was replaced, and fails on one that cannot be read', async (t) => {
    const zst =
      compressionProblem('zstd') === undefined ? 'logs/2024/03/04/a.ndjson.zst' : 'logs/2024/03/04/a.ndjson.gz'
    const pipeline = PIPELINE.replace('records: Records, ', '')
    const work = await openProject(t, {
      'pipelines/p.yaml': pipeline,
      'tests/p/late.yaml': `name: late
${NOW}resumeAt: 2024-03-05T13:00:00Z
restartAfter: 2
objects:
  - { key: ${zst}, file: a.ndjson }
  - { key: logs/2024/03/05/a.ndjson, lines: [{ id: late, day: 5 }], modified: 2024-03-05T12:30:00Z }
  - { key: logs/2024/03/05/b.ndjson, lines: [{ id: b, day: 5 }] }
  - { key: logs/2024/03/05/b.ndjson, lines: [{ id: b, day: 5 }, { id: b2, day: 5 }], modified: 2024-03-05T12:40:00Z }
expect:
  objects: { e/4: [{ id: a, day: 4 }], e/5: [{ id: b, day: 5 }, { id: late, day: 5 }, { id: b2, day: 5 }] }
  ledger: { duplicate: 1 }
`,
      'tests/p/a.ndjson': '{"id":"a","day":4}\n',
      'tests/p/archived.yaml': `name: archived
${NOW}objects: [{ key: logs/2024/03/05/a.ndjson, lines: [{ id: a, day: 5 }], storageClass: GLACIER }]
expect: { error: FILE_NOT_FOUND }
`,
      'pipelines/version.yaml': pipeline
        .replace('logs/{yyyy}/{MM}/{dd}/*', 'logs/a.ndjson')
        .replace('since: 3d', 'versionId: v1'),
      'tests/version/a.yaml': `name: a version
${NOW}objects:
  - { key: logs/a.ndjson, lines: [{ id: old, day: 1 }], version: v1, modified: 2024-03-04T00:00:00Z }
  - { key: logs/a.ndjson, lines: [{ id: new, day: 1 }], version: v2 }
expect: { objects: { e/1: [{ id: old, day: 1 }] } }
`,
    })
    const { code, stdout } = await work.sluice(['test'], { env: AWS })
    assert.equal(code, 0, stdout)
  })

  test('with a mistake is reported by check, or says what was not read', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': `name: keys
${NOW}restartAfter: 2
objects:
  - { key: 's3://audit/logs/a.json', json: {}, lines: [] }
  - { key: later, json: {}, modified: 2025-01-01T00:00:00Z }
  - { key: later, json: {}, modified: yesterday }
  - { key: twice, json: {} }
  - { key: twice, json: {} }
`,
    })
    for (const command of ['check', 'test']) {
      const { code, stdout, stderr } = await work.sluice([command, 'p'])
      assert.equal(code, 2)
      for (const text of [
        'the bucket is that of the source: write logs/a.json',
        'the object s3://audit/logs/a.json needs one content',
        'the object later comes after the test: it is modified at 2025-01-01T00:00:00Z',
        '"yesterday" is not a time',
        'the object twice is there twice',
      ])
        assert.ok((stdout + stderr).includes(text), `${command}: ${text}\n${stdout}${stderr}`)
    }
    const none = 'objects: [{ key: log/a.json, json: {} }, { key: logs/2024/03/05/a.json, json: { Records: [] } }]\n'
    await work.write('tests/p/a.yaml', `name: unread\n${NOW}${none}expect: { objects: { x: [] } }\n`)
    await work.write('tests/p/b.yaml', `name: no restart\n${NOW}restartAfter: 2\n${none}`)
    await work.write('tests/p/c.yaml', `name: no match\n${NOW}objects: [{ key: log/a.json, json: {} }]\n`)
    const { code, stdout } = await work.sluice(['test', 'p'])
    assert.equal(code, 1)
    for (const text of [
      'no record was read from log/a.json, logs/2024/03/05/a.json',
      'restartAfter is 2, but the source has read records of none of the 2 objects',
      'FILE_NOT_FOUND: no object matches "s3://audit/logs/{yyyy}/{MM}/{dd}/*"\n          in the bucket are log/a.json',
    ])
      assert.ok(stdout.includes(text), `${text}\n${stdout}`)
  })
})

const SOURCE_OF_FILES = `import { readFile } from 'node:fs/promises'
import { defineSource, InputPath, Type } from 'sluice'

export default defineSource({
  summary: 'Reads words.',
  repeats: false,
  fields: { paths: Type.Array(InputPath()) },
  create: ({ paths }) => ({
    async *read({ position }) {
      for (const path of paths.slice(position() ?? 0)) {
        const words = (await readFile(path, 'utf8')).trim().split(' ')
        yield { records: words.map((id) => ({ id })), position: paths.indexOf(path) + 1, origin: { name: path, line: 1 } }
      }
    },
  }),
})
`

describe('a whole test of a custom source', () => {
  const SINK = 'sink: { type: file, path: out, key: all }\n'

  test('gives pages to one that uses exchange, and files to one whose options are paths', async (t) => {
    const items = `pages:
  - { request: { host: api.invalid, query: { after: '0' } }, response: { body: [{ id: a }, { id: b }] } }
  - { request: { query: { after: '2' } }, response: { body: [{ id: c }] } }
  - { request: { query: { after: '3' } }, response: { body: [] } }
expect: { objects: { all: [{ id: a }, { id: b }, { id: c }] }, ledger: { read: 3 } }
`
    const words = `files: [{ name: w/1.txt, lines: ['a b'] }, { name: ../2.txt, lines: ['c'] }]
expect:
  objects: { all: [{ id: a }, { id: b }, { id: c }] }
`
    const work = await openProject(t, {
      'pages.js': SOURCE_OF_PAGES,
      'words.js': SOURCE_OF_FILES,
      'pipelines/items.yaml': `source: { type: ../pages.js }\n${SINK}`,
      'tests/items/a.yaml': `name: plain\n${NOW}${items}`,
      'tests/items/b.yaml': `name: after a page\n${NOW}restartAfter: 1\n${items}`,
      'pipelines/words.yaml': `source: { type: ../words.js, paths: [w/1.txt, ../2.txt] }\n${SINK}`,
      'unnamed.js': SOURCE_OF_FILES.replace(', origin: { name: path, line: 1 }', ''),
      'pipelines/unnamed.yaml': `source: { type: ../unnamed.js, paths: [w/1.txt, ../2.txt] }\n${SINK}`,
      'tests/unnamed/a.yaml': `name: unnamed\n${NOW}restartAfter: 1\n${words}`,
      'tests/words/a.yaml': `name: files\n${NOW}restartAfter: 1\n${words}`,
    })
    const { code, stdout } = await work.sluice(['test'])
    assert.equal(code, 1, stdout)
    assert.match(stdout, /3 passed, 1 failed/)
    assert.match(stdout, /unnamed.*\n +restartAfter is 1, but the source has read records of only 1 of the 2 files\n/)
  })

  test('says what it needs if the source takes no pages or files, and takes records of any source', async (t) => {
    const own = SOURCE_OF_PAGES.replace('exchange(send)', '() => ({ body: Readable.from([Buffer.from("[]")]) })')
    const records = `records: [{ id: a }, not json, { id: b }, { id: a, again: true }, { id: c }]
expect:
  objects: { all: [{ id: a }, { id: b }, { id: c }] }
  rejects: [{ code: INVALID_JSON, stage: source, line: 2 }]
  ledger: { read: 5, written: 3, duplicate: 1, rejected: 1 }
`
    const dedup = 'transforms: [{ type: dedup, key: id }]\n'
    const work = await openProject(t, {
      'own.js': own,
      'pipelines/p.yaml': `source: { type: ../own.js }\n${dedup}${SINK}`,
      'tests/p/a.yaml': `name: pages\n${NOW}pages: [{ response: { body: [] } }]\n`,
      'tests/p/b.yaml': `name: files\n${NOW}files: [{ name: a, lines: [] }]\n`,
      'tests/p/c.yaml': `name: records\n${NOW}${records}`,
      'tests/p/d.yaml': `name: restarts\n${NOW}restartAfter: 2\n${records}`,
      'tests/p/e.yaml': `name: of a file\n${NOW}restartAfter: 1\nrecords: { file: e.ndjson }\nexpect: { output: [{ id: a }, { id: b }] }\n`,
      'tests/p/e.ndjson': '{"id":"a"}\n{"id":"b"}',
      'tests/p/f.yaml': `name: too few\n${NOW}restartAfter: 3\nrecords: { file: e.ndjson }\n`,
      'pipelines/http.yaml': `source: { type: http, request: { url: 'https://api.invalid/' } }\n${dedup}${SINK}`,
      'tests/http/a.yaml': `name: http\n${NOW}${records}`,
    })
    const checked = await work.sluice(['check', 'p'])
    assert.equal(checked.code, 2)
    assert.match(
      checked.stdout + checked.stderr,
      /tests\/p\/b.yaml:1:1 error: the test "files" has files, but the source own/,
    )
    const { code, stdout, stderr } = await work.sluice(['test'])
    assert.equal(code, 2, stderr)
    for (const text of [
      'FAIL  pages  (tests/p/a.yaml:1)\n        page 1 was not requested\n        the source own has requested nothing through options.exchange',
      'the test "files" has files, but the source own does not take them\n        declare the option with its path as FilePath',
      'ok    records\n  ok    restarts\n  ok    of a file\n',
      'CONFIG_INVALID: restartAfter is 3, but the test has 2 records',
      'ok    http\n',
    ])
      assert.ok(stdout.includes(text), `${text}\n${stdout}${stderr}`)
  })
})

describe('the objects of the rejects sink', () => {
  const PIPELINE = `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: redact }, { type: dedup, key: id }]
sink: { type: file, path: out, key: all }
rejects: { type: s3, bucket: audit, key: 'bad/dt={now:yyyy-MM-dd}', unparsed: keep }
`
  const FILES = `files:
  - { name: in/1.ndjson, lines: [{ id: a }, { password: x, n: 1.10 }, 'no json'] }
  - { name: in/2.ndjson, lines: ['{"big": 9007199254740993}'] }
`

  test('are compared by the given members, and written by --update', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': `name: right\n${NOW}${FILES}expect:
  rejectObjects:
    bad/dt=2024-03-05:
      - { text: no json }
      - { code: KEY_MISSING, origin: in/1.ndjson, line: 2, record: { password: '[redacted]', n: 1.1 } }
      - { stage: dedup }
`,
      'tests/p/b.yaml': `name: new\n${NOW}restartAfter: 1\n${FILES}`,
      'tests/p/c.yaml': `name: wrong\n${NOW}${FILES}expect:
  rejectObjects:
    bad: [{ code: KEY_MISSING }]
    bad/dt=2024-03-05: [{ code: INVALID_JSON }, { record: { password: x, n: 1.1 } }]
`,
    })
    const { code, stdout } = await work.sluice(['test'])
    assert.equal(code, 1)
    for (const text of [
      'ok    right',
      'rejectObjects differ\n        - bad\n',
      'rejects in bad/dt=2024-03-05 differ\n',
      '-      "password": "x"\n',
      '+      "password": "[redacted]"\n',
      '+    "code": "KEY_MISSING",\n+    "line": 1,\n'.replaceAll('\n', '\n        ').trimEnd(),
      'in/1.ndjson:2  rejected: KEY_MISSING',
    ])
      assert.ok(stdout.includes(text), `${text}\n${stdout}`)
    assert.ok(!stdout.includes('/sluice-test-run'), stdout)
    assert.equal((await work.sluice(['test', '--update'])).code, 0)
    const text = await readFile(work.path('tests/p/b.yaml'), 'utf8')
    assert.ok(
      text.includes('- { code: KEY_MISSING, stage: dedup, line: 1, record: \'{"big": 9007199254740993}\' }'),
      text,
    )
    assert.equal((await work.sluice(['test'])).code, 0)
  })

  test('cannot be expected without such a sink; a key without the name of its sink is explained; files may be stdin', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': 'source: { type: file, path: a }\nsinks: { one: { type: file, path: out, key: x } }\n',
      'pipelines/stdin.yaml': 'source: { type: file, path: "-" }\nsink: { type: stdout }\n',
      'tests/stdin/a.yaml': `name: stdin\n${NOW}files: [{ name: '-', lines: [{}] }]\nexpect: { output: [{}] }\n`,
      'tests/p/a.yaml': `name: none\n${NOW}files: [{ name: a, lines: [{}] }]\nexpect: { rejectObjects: {} }\n`,
      'tests/p/b.yaml': `name: key\n${NOW}files: [{ name: a, lines: [{}] }]\nexpect: { objects: { x: [{}] } }\n`,
    })
    const { code, stdout } = await work.sluice(['test'])
    assert.equal(code, 2)
    assert.match(stdout, /ok {4}stdin\n/)
    assert.match(stdout, /"none" expects rejectObjects, but the pipeline has no sink in rejects/)
    assert.match(stdout, /- x\n +\+ one\/x\n +a key has no last segment .* the name of the sink comes first/)
  })
})
