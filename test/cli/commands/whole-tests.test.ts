import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openProject } from '../../support/cli-project.ts'

const PIPELINE = `source:
  type: http
  request:
    url: https://api.example.invalid/v1/events
    query: { since: '{window.start}', until: '{window.end}' }
  auth: { type: bearer, token: '\${env:API_TOKEN}' }
  records: events
  paginate: { type: link, from: { body: next } }
  window: { since: '\${env:SINCE:-1d}', lag: 5m, overlap: 5m, sweep: 2h }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: dedup, key: [id, at], time: at }
sink: { type: s3, bucket: '\${env:BUCKET}', key: 'events/dt={record.at:yyyy-MM-dd}', compression: gzip }
`

const PAGES = `pages:
  - request:
      method: GET
      host: api.example.invalid
      path: /v1/events
      headers: { authorization: Bearer test-value-of-api-token }
      query: { since: '2024-03-04T12:00:00.000Z', until: '2024-03-05T11:55:00.000Z' }
    response:
      body:
        events: [{ id: a, at: 2024-03-04T13:00:00Z }, { id: b, at: 2024-03-05T01:00:00Z }, { kind: noise }]
        next: https://api.example.invalid/v1/events?cursor=2
  - request: { query: { cursor: '2' } }
    response: { status: 503, headers: { retry-after: '3600' } }
  - request: { query: { cursor: '2' } }
    response:
      body: { events: [{ id: b, at: 2024-03-05T01:00:00.000Z }, { id: c, at: 2024-03-05T02:00:00Z }, { at: 1 }] }
`

const EXPECT = `expect:
  objects:
    events/dt=2024-03-04: [{ id: a, at: 2024-03-04T13:00:00Z }]
    events/dt=2024-03-05: [{ id: b, at: 2024-03-05T01:00:00Z }, { id: c, at: 2024-03-05T02:00:00Z }]
  rejects: [{ code: KEY_MISSING, stage: dedup, line: 3 }]
  ledger: { read: 6, added: 0, written: 3, dropped: 1, duplicate: 1, rejected: 1 }
`

function testFile(name: string, more = '', expect = EXPECT): string {
  return `name: ${name}\nnow: 2024-03-05T12:00:00Z\n${more}${PAGES}${expect}`
}

describe('a test of a whole pipeline', () => {
  test('has the same result without and with a crash, after a page and in one, and needs no credentials', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a-plain.yaml': testFile('plain'),
      'tests/p/b-after.yaml': testFile('after a page', 'restartAfter: 1\n'),
      'tests/p/c-in.yaml': testFile('in a page', 'restartIn: 3\n'),
      'tests/p/d-end.yaml': testFile('after the last page', 'restartAfter: 3\n'),
      'tests/p/notes.txt': 'not a test',
    })
    // What the environment has is not used.
    const env = { API_TOKEN: 'a-real-token-of-the-user', SINCE: '7d', HTTPS_PROXY: 'http://127.0.0.1:9' }
    const { code, stdout, stderr } = await work.sluice(['test', '--junit', 'tests.xml'], { env })
    assert.equal(code, 0, stdout + stderr)
    assert.equal(
      stdout,
      'p\n  ok    plain\n  ok    after a page\n  ok    in a page\n  ok    after the last page\n4 passed, 0 failed\n',
    )
    const xml = await readFile(work.path('tests.xml'), 'utf8')
    assert.deepEqual(elements(xml), ['testsuites', 'testsuite', 'testcase', 'testcase', 'testcase', 'testcase'])
    assert.match(xml, /<testsuite name="p" tests="4" failures="0" errors="0" time="\d+\.\d{3}">/)
  })

  test('takes from custom code what a crash takes: what it keeps in memory', async (t) => {
    const work = await openProject(t, {
      'count.js': 'let seen = 0\nexport default (record) => record.set("n", ++seen)\n',
      'pipelines/p.yaml': `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: ../count.js }]
sink: { type: file, path: out, key: all }
tests:
  - name: counts
    now: 2024-03-05T12:00:00Z
    restartAfter: 1
    files:
      - { name: in/1.ndjson, lines: [{ id: a }, { id: b }] }
      - { name: in/2.ndjson, lines: [{ id: c }] }
    expect: { objects: { all: [{ id: a, n: 1 }, { id: b, n: 2 }, { id: c, n: 1 }] } }
`,
    })
    const { code, stdout } = await work.sluice(['test', 'p'])
    assert.equal(code, 0, stdout)
  })

  test('names the sink before the key of an object, if there are several', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
sinks:
  siem: { type: s3, bucket: audit, key: x/all }
  cold: { type: file, path: out, key: all, compression: none }
routes: [{ when: { id: a }, to: siem }]
default: cold
tests:
  - name: routes
    now: 2024-03-05T12:00:00Z
    files: [{ name: in.ndjson, lines: [{ id: a }, { id: b }] }]
    expect: { objects: { siem/x/all: [{ id: a }], cold/all: [{ id: b }] } }
`,
    })
    const { code, stdout } = await work.sluice(['test', 'p'])
    assert.equal(code, 0, stdout)
  })

  test('has a clock of its own: a later run looks back by it and names keys after it, and waits take no time', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE.replace('{record.at:yyyy-MM-dd}', '{now:yyyy-MM-dd}'),
      'tests/p/late.yaml': `name: finds an event that arrived late
now: 2024-03-05T12:00:00Z
resumeAt: 2024-03-06T12:00:00Z
restartAfter: 1
env: { SINCE: 2024-03-05T00:00:00Z }
pages:
  - request: { query: { since: '2024-03-05T00:00:00.000Z', until: '2024-03-05T11:55:00.000Z' } }
    response: { body: { events: [{ id: a, at: 2024-03-05T11:00:00Z }] } }
  - request: { query: { since: '2024-03-05T09:55:00.000Z', until: '2024-03-06T11:55:00.000Z' } }
    response:
      body: { events: [{ id: late, at: 2024-03-05T10:30:00Z }, { id: a, at: 2024-03-05T11:00:00Z }] }
expect:
  objects:
    events/dt=2024-03-05: [{ id: a, at: 2024-03-05T11:00:00Z }]
    events/dt=2024-03-06: [{ id: late, at: 2024-03-05T10:30:00Z }]
  ledger: { duplicate: 1 }
`,
    })
    const { code, stdout } = await work.sluice(['test', 'p'])
    assert.equal(code, 0, stdout)
  })

  test('expects a failure by its code', async (t) => {
    const pages = `pages: [{ response: { status: 401, body: { error: no such key } } }]\n`
    const name = 'name: refused\nnow: 2024-03-05T12:00:00Z\n'
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': `${name}${pages}expect: { error: SOURCE_REFUSED }\n`,
      'tests/p/b.yaml': `${name}${pages}expect: { ledger: { read: 0 } }\n`,
      'tests/p/c.yaml': testFile('no failure', '', 'expect: { error: SOURCE_REFUSED }\n'),
    })
    const { code, stdout } = await work.sluice(['test', 'p'])
    assert.equal(code, 1)
    assert.match(stdout, /ok {4}refused\n {2}FAIL {2}refused/)
    assert.match(stdout, /the run failed: SOURCE_REFUSED: .*401/)
    assert.match(stdout, /expected the error SOURCE_REFUSED, but the run succeeded/)
  })

  test('shows a request without a page beside the nearest page, pages without a request, and records that differ', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': testFile('another cursor').replaceAll("{ cursor: '2' }", '{ cursor: "<3>\\u0001" }'),
      'tests/p/b.yaml': testFile('one page too many').replace('expect:', '  - request: { path: /v1/more }\nexpect:'),
      'tests/p/c.yaml': testFile('other records')
        .replace('{ id: a, at: 2024-03-04T13:00:00Z }]\n    ev', '{ id: x }]\n    ev')
        .replace('read: 6', 'read: 7')
        .replace('events/dt=2024-03-05: [', 'events/dt=2024-03-06: ['),
    })
    const { code, stdout, stderr } = await work.sluice(['test', 'p', '--junit', 'tests.xml'])
    assert.equal(code, 1)
    assert.match(stderr, /TESTS_FAILED: 3 of 3 tests failed/)
    for (const line of [
      'FAIL  another cursor  (tests/p/a.yaml:1)',
      '        no page fits the request',
      '          GET api.example.invalid/v1/events?cursor=2',
      '        nearest: page 2',
      '        - query.cursor: "<3>\\u0001"',
      '        + query.cursor: "2"',
      '        page 4 (/v1/more) was not requested',
      '        - events/dt=2024-03-06',
      '        + events/dt=2024-03-05',
      '        object events/dt=2024-03-04 differs',
      '        -    "id": "x"',
      '        +    "id": "a"',
      '        -  "read": 7',
      '        +  "read": 6',
      '          GET /v1/events 2024-03-04T12:00:00.000Z/2024-03-05T11:55:00.000Z page 2:3  rejected: KEY_MISSING',
      'log:',
    ])
      assert.ok(stdout.includes(line), `${line}\n${stdout}`)
    const xml = await readFile(work.path('tests.xml'), 'utf8')
    assert.deepEqual(elements(xml).slice(2), ['testcase', 'failure', 'testcase', 'failure', 'testcase', 'failure'])
    assert.match(xml, /&lt;3&gt;/)
  })

  test('with a mistake is reported with its place and a way out, by check and before it runs', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': `name: mistakes
now: yesterday
restartAfter: 4
resumeAt: 2024-03-05T12:00:00Z
input: [{}]
pages: [{ response: { file: absent.json } }]
expect: { error: SOURCE_REFUSE }
`,
      'tests/p/b.yaml': 'name: keys\nnow: 2024-03-05T12:00:00Z\npages: [{ respons: {} }]\nexpect: { object: {} }\n',
      'tests/p/c.yaml': 'name: no effect\ninput: [{}]\nnow: 2024-03-05T12:00:00Z\nexpect: { output: [{}] }\n',
      'tests/p/d.yaml': '- name: list\n',
    })
    for (const command of ['check', 'test']) {
      const { code, stdout, stderr } = await work.sluice([command, 'p'])
      assert.equal(code, 2)
      for (const text of [
        'tests/p/a.yaml:2:6 error: "yesterday" is not a time',
        'restartAfter is 4, but the test has 1 pages\n',
        'the test "mistakes" has input and pages, which exclude each other',
        'the file "absent.json" does not exist',
        'did you mean "SOURCE_REFUSED"',
        'tests/p/b.yaml:3:11 error: unknown key "respons" in pages[0] of the test',
        'did you mean "response"?',
        'did you mean "objects"?',
        'tests/p/c.yaml:3:6 error: now of the test "no effect" has no effect with input',
        'tests/p/d.yaml:1:1 error: a test file must be a map',
      ])
        assert.ok((stdout + stderr).includes(text), `${command}: ${text}\n${stdout}${stderr}`)
    }
  })

  test('that its pipeline cannot have is an error of this test, and the others run', async (t) => {
    const whole = 'name: whole\nnow: 2024-03-05T12:00:00Z\n'
    const work = await openProject(t, {
      'pipelines/p.yaml': 'source: { type: file, path: in.ndjson }\nsink: { type: stdout }\n',
      'tests/p/a.yaml': `${whole}pages: [{}]\n`,
      'tests/p/b.yaml': `${whole}restartAfter: 1\nfiles: [{ name: in.ndjson, lines: [{}] }]\n`,
      'tests/p/c.yaml': `${whole}files: [{ name: in.ndjson, lines: [{ n: 1.10 }] }]\nexpect: { objects: { stdout: [{ n: 1.1 }] } }\n`,
    })
    const { code, stdout } = await work.sluice(['test', 'p', '--junit', 'tests.xml'])
    assert.equal(code, 2)
    assert.match(
      stdout,
      /ERROR whole {2}\(tests\/p\/a.yaml:1\)\n +CONFIG_INVALID: the test "whole" has pages, but the source/,
    )
    assert.match(stdout, /the test "whole" restarts, but the sink stdout keeps no state/)
    assert.match(stdout, /ok {4}whole\n1 passed, 0 failed, 2 errors/)
    assert.match(await readFile(work.path('tests.xml'), 'utf8'), /<error type="CONFIG_INVALID" message="the test/)
  })

  test('--filter chooses by name', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': testFile('one'),
      'tests/p/b.yaml': testFile('two', '', 'expect: { error: INTERNAL }\n'),
    })
    assert.match((await work.sluice(['test', '--filter', 'one'])).stdout, /ok {4}one\n1 passed, 0 failed/)
    const none = await work.sluice(['test', '--filter', 'three'])
    assert.equal(none.code, 2)
    assert.match(none.stderr, /no test has "three" in its name/)
  })
})

describe('sluice test --update', () => {
  test('writes what differs, and keeps comments, quotes and everything else as it is', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': `source: { type: file, path: "-" } # own
transforms:   [{ type: redact }]
sink: { type: stdout }
tests:
  # The first one.
  - name: "keeps 'quotes'"
    input: [ { id: a, password: x } , { id: b } ]
    expect:
      output:
        - { id: a, password: 'x' } # was hidden
        # this one is right
        - { "id": 'b' }
      duplicates:   0 # none
      # nothing dropped
      dropped: {}

  - name: new
    input: [{ id: a }]   # its record

  - { name: flow, input: [{ id: c }], expect: { output: [{ id: d }] } }
limits: { maxDepth: 10 }   # the end
`,
    })
    const { code, stdout } = await work.sluice(['test', 'p', '--update'])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /new {3}keeps 'quotes'/)
    assert.equal(
      await readFile(work.path('pipelines/p.yaml'), 'utf8'),
      `source: { type: file, path: "-" } # own
transforms:   [{ type: redact }]
sink: { type: stdout }
tests:
  # The first one.
  - name: "keeps 'quotes'"
    input: [ { id: a, password: x } , { id: b } ]
    expect:
      output:
        - { id: a, password: '[redacted]' } # was hidden
        # this one is right
        - { "id": 'b' }
      duplicates:   0 # none
      # nothing dropped
      dropped: {}

  - name: new
    input: [{ id: a }]   # its record
    expect:
      output:
        - { id: a }

  - { name: flow, input: [{ id: c }], expect: { output: [{ id: c }] } }
limits: { maxDepth: 10 }   # the end
`,
    )
    assert.match((await work.sluice(['test', 'p', '--update'])).stdout, /3 passed, 0 failed/)
  })

  test('writes a list with one record, and a map with one key, below their keys', async (t) => {
    const head = `source: { type: file, path: '-' }\ntransforms: [{ type: filter, drop: { a: 2 } }]\nsink: { type: stdout }\n`
    const tests = `tests:
  - name: one
    input: [{ a: 1 }, { a: 2 }]
    expect:
      output: []
      dropped: {}
  - name: none
    input: []
`
    const work = await openProject(t, { 'pipelines/p.yaml': head + tests })
    assert.equal((await work.sluice(['test', 'p', '--update'])).code, 0)
    assert.match((await work.sluice(['test', 'p'])).stdout, /2 passed, 0 failed/)
  })

  test('fills in a test file without expectations, which otherwise fails', async (t) => {
    const work = await openProject(t, {
      'pipelines/p.yaml': PIPELINE,
      'tests/p/a.yaml': testFile('new', 'restartAfter: 1\n', ''),
    })
    const before = await work.sluice(['test', 'p'])
    assert.equal(before.code, 1)
    assert.match(before.stdout, /expects nothing yet: run sluice test --update/)
    assert.equal((await work.sluice(['test', 'p', '--update'])).code, 0)
    const text = await readFile(work.path('tests/p/a.yaml'), 'utf8')
    assert.match(
      text,
      /\nexpect:\n {2}objects:\n {4}events\/dt=2024-03-04:\n {6}- \{ id: a, at: 2024-03-04T13:00:00Z \}\n/,
    )
    assert.match(text, / {2}ledger:\n {4}read: 6\n {4}written: 3\n/)
    assert.equal((await work.sluice(['test', 'p'])).code, 0)
  })
})

test('sluice test --watch runs the tests again when a file changes that they use, until it is stopped', async (t) => {
  const work = await openProject(t, {
    'tag.js': "import { tag } from './lib/tag.js'\nexport default (record) => record.set('tag', tag)\n",
    'lib/tag.js': "export const tag = 'one'\n",
    'pipelines/p.yaml':
      'source: { type: file, path: "-" }\ntransforms: [{ type: ../tag.js }]\nsink: { type: stdout }\n',
    'tests/p/a.yaml': 'name: tags\ninput: [{ id: a }]\nexpect: { output: [{ id: a, tag: one }] }\n',
  })
  const watching = work.start(['test', '--watch'])
  let read = { stdout: 0, stderr: 0 }
  const shows = async (text: string): Promise<void> => {
    const { output } = watching
    const since = () => output.stdout.slice(read.stdout) + output.stderr.slice(read.stderr)
    while (!since().includes(text) || !since().includes('waiting for changes')) await sleep(20)
    read = { stdout: output.stdout.length, stderr: output.stderr.length }
  }
  await shows('1 passed, 0 failed')
  await work.write('lib/tag.js', "export const tag = 'two'\n")
  await shows('0 passed, 1 failed')
  await work.write('tests/p/a.yaml', 'name: tags\ninput: [{ id: a }]\nexpect: { output: [{ id: a, tag: two }] }\n')
  await shows('1 passed, 0 failed')
  await work.write('pipelines/p.yaml', 'source: { tpye: file }\n')
  await shows('CONFIG_INVALID')
  watching.kill('SIGINT')
  assert.equal((await watching.ended).code, 0)
})

/** The names of the elements of a document, in order. Fails if it is not well-formed. */
function elements(xml: string): string[] {
  const names: string[] = []
  const open: string[] = []
  assert.match(xml, /^<\?xml version="1\.0" encoding="UTF-8"\?>\n/)
  // oxlint-disable-next-line no-control-regex -- XML has none of these
  assert.doesNotMatch(xml, /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/)
  for (const [, close, name = '', attributes = '', empty, text = ''] of xml
    .slice(xml.indexOf('?>') + 2)
    .matchAll(/<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>([^<]*)/g)) {
    for (const [entity] of (attributes + text).matchAll(/&[^;]*;?/g)) assert.match(entity, /^&(amp|lt|gt|quot);$/)
    if (close === '/') assert.equal(open.pop(), name)
    else {
      names.push(name)
      if (empty !== '/') open.push(name)
    }
  }
  assert.deepEqual(open, [])
  return names
}
