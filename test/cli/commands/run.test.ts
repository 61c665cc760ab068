import assert from 'node:assert/strict'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Report } from '../../../src/observe/report.ts'
import { openWorkspace, type Workspace } from '../../support/command.ts'

/** A valid line. */
function good(id: number): Buffer {
  return Buffer.from(`{"id":${id}}\n`)
}

/** All lines of the files in a folder and its subfolders. */
async function linesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.toSorted().map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter((line) => line !== ''))
}

function fileToFile(transforms = '', more = ''): string {
  return `source: { type: file, path: in.ndjson }
${transforms === '' ? '' : `transforms:\n${transforms}\n`}sink: { type: file, path: out, key: all, compression: none }
${more}`
}

async function writePipeline(workspace: Workspace, transforms?: string, more?: string): Promise<void> {
  await workspace.write('pipelines/p.yaml', fileToFile(transforms, more))
}

describe('sluice run', () => {
  test('keeps every unedited byte, around edits and custom code', async (t) => {
    const workspace = await openWorkspace(t)
    const odd =
      '{"big":9007199254740993,"price":1.10,"huge":1e400,"z":1, "a" :  [ 1 , 2 ],"ip":"10.0.0.1","é":"\\u00e9"}'
    await workspace.write('in.ndjson', `${odd}\n`)
    await workspace.write('tag.ts', "export default (record: any) => record.set('seen', true)\n")
    await workspace.write('copy.js', 'export default (record) => ({ ...record.value, copied: [1] })\n')
    const rules =
      '  - { type: redact, rules: [{ path: ip, action: mask }] }\n  - { type: ../tag.ts }\n  - { type: ../copy.js }'
    await writePipeline(workspace, rules)

    const report = await workspace.report(['run', 'p'])

    assert.equal(report.written, 1)
    const expected = odd.replace('"10.0.0.1"', '"[redacted]"').replace(/}$/, ',"seen":true,"copied":[1]}')
    assert.deepEqual(await linesBelow(workspace.path('out')), [expected])
  })

  test('prints the causes of a failed sink with their places, and puts them in the report', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write(
      'pipelines/hook.ts',
      `import { defineSink } from 'sluice'
const fail = async () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' })
  throw new Error('could not deliver', { cause: new TypeError('fetch failed', { cause: new AggregateError([refused], '') }) })
}
export default defineSink({ summary: 'x', delivers: 'stream', fields: {}, create: () => ({ write: fail, flush: fail }) })
`,
    )
    await workspace.write('pipelines/p.yaml', 'source: { type: file, path: in.ndjson }\nsink: { type: ./hook.ts }\n')
    const { code, stderr } = await workspace.sluice(['run', 'p', '--report', 'report.json'])
    assert.equal(code, 4)
    assert.match(
      stderr,
      /^sluice: SINK_FAILED: the sink failed: could not deliver\n {2}cause: Error at hook\.ts:4:\d+\n {2}cause: TypeError at hook\.ts:4:\d+: fetch failed\n {2}cause: Error at hook\.ts:3:\d+: connect ECONNREFUSED 127\.0\.0\.1:9$/m,
    )
    const { error }: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
    assert.equal(error?.causes?.length, 3)
  })

  test('never prints the messages of causes that may quote a record', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":"hunter2"}\n')
    await workspace.write(
      'pipelines/quote.ts',
      `export default (record) => {
  const cause = new Error('it was ' + record.get('id'))
  throw new Error('bad ' + record.get('id'), { cause })
}
`,
    )
    await writePipeline(workspace, '  - { type: ./quote.ts, onError: stop }')
    const { code, stderr } = await workspace.sluice(['run', 'p'])
    assert.equal(code, 1)
    assert.match(stderr, /^sluice: TRANSFORM_FAILED: .*quote\.ts:3.*\n {2}cause: Error at quote\.ts:2:\d+$/m)
    assert.doesNotMatch(stderr, /hunter2/)
  })

  test('counts what a stream sink has taken before it failed', async (t) => {
    const workspace = await openWorkspace(t)
    const line = `{"pad":"${'x'.repeat(1000)}"}\n`
    await workspace.write('in.ndjson', line.repeat(3000))
    await workspace.write(
      'pipelines/third.ts',
      `import { defineSink } from 'sluice'
let writes = 0
const write = async () => { if (++writes === 3) throw new Error('full') }
export default defineSink({ summary: 'x', delivers: 'stream', fields: {}, create: () => ({ write, async flush() {} }) })
`,
    )
    await workspace.write('pipelines/p.yaml', 'source: { type: file, path: in.ndjson }\nsink: { type: ./third.ts }\n')
    const { stderr } = await workspace.sluice(['run', 'p', '--report', 'report.json'])
    const { written, bytesOut, read }: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
    assert.ok(written > 0 && written < 3000)
    assert.equal(read, written)
    assert.equal(bytesOut, written * line.length)
    assert.match(stderr, /^ {2}written {3}[\d,]+ {2}1\.0 MB$/m, 'a stream sink has no objects')
  })

  test('warns at the end if nearly everything was rejected, and says how to read an envelope', async (t) => {
    const workspace = await openWorkspace(t)
    await writePipeline(workspace)
    await workspace.write('in.ndjson', `{"id":1}\n${'oops\n'.repeat(9)}`)
    const nearly = await workspace.sluice(['run', 'p'])
    assert.equal(nearly.code, 0)
    const warning = /warn {2}9 of 10 records rejected \(INVALID_JSON 9\), only 1 written: .*`sluice rejects show p`/
    assert.match(nearly.stderr, warning)

    const records = Array.from({ length: 9000 }, (_, id) => ({ id, text: 'x'.repeat(120) }))
    await workspace.write('trail.json', JSON.stringify({ Records: records }))
    const all = await workspace.sluice(['run', 'p', '--set', 'source.path=trail.json', '--json'])
    assert.match(all.stderr, /"message":"1 of 1 record rejected \(TOO_LONG 1\), nothing was written: /)
    const { stdout } = await workspace.sluice(['rejects', 'show', 'p', '--code', 'TOO_LONG'])
    assert.match(stdout, /set `records: Records` in the source/)
    const followed = ['run', 'p', '--set', 'source.path=trail.json', '--set', 'source.records=Records']
    const { read, written, rejected } = await workspace.report(followed)
    assert.deepEqual([read, written, rejected], [9000, 9000, 0])

    await workspace.write('in.ndjson', `oops\n${'{"id":1}\n'.repeat(9)}`)
    assert.doesNotMatch((await workspace.sluice(['run', 'p'])).stderr, /records rejected \(/)
  })

  test('rejects hostile lines with their code and line number, and writes the valid lines around them', async (t) => {
    const workspace = await openWorkspace(t)
    const lines = [
      good(1),
      Buffer.from('null\n'),
      good(2),
      Buffer.from('[\n'),
      good(3),
      Buffer.from(`{"a":${'['.repeat(6000)}${']'.repeat(6000)}}\n`),
      good(4),
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')]),
      good(5),
      Buffer.from(`{"a":"${'x'.repeat(2 << 20)}"}\n`),
      good(6),
    ]
    await workspace.write('in.ndjson', Buffer.concat(lines))
    await writePipeline(workspace, '', 'rejects: { type: file, path: refused, key: all, compression: none }\n')

    const report = await workspace.report(['run', 'p'])

    const written = await linesBelow(workspace.path('out'))
    assert.deepEqual(
      written,
      [1, 2, 3, 4, 5, 6].map((number) => `{"id":${number}}`),
    )
    const rejects = (await linesBelow(workspace.path('refused'))).map((line) => JSON.parse(line))
    assert.deepEqual(
      rejects.map(({ code, line, stage }) => [line, code, stage]).toSorted((a, b) => a[0] - b[0]),
      [
        [2, 'NOT_AN_OBJECT', 'source'],
        [4, 'INVALID_JSON', 'source'],
        [6, 'TOO_DEEP', 'source'],
        [8, 'INVALID_UTF8', 'source'],
        [10, 'TOO_LONG', 'source'],
      ],
    )
    assert.deepEqual([report.read, report.written, report.rejected], [11, 6, 5])
  })

  test('resumes where the last run ended', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n{"id":2}\n')
    await writePipeline(workspace)
    assert.equal((await workspace.report(['run', 'p'])).written, 2)
    assert.equal((await workspace.report(['run', 'p'])).read, 0)
    await appendFile(workspace.path('in.ndjson'), '{"id":3}\n')
    assert.equal((await workspace.report(['run', 'p'])).read, 1)
    assert.deepEqual(await linesBelow(workspace.path('out')), ['{"id":1}', '{"id":2}', '{"id":3}'])
  })

  test('leaves a half-written last line to the next run, and counts it; --final rejects it', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n{"id":2,"x":"ab')
    await writePipeline(workspace)

    const first = await workspace.report(['run', 'p'])
    assert.deepEqual([first.read, first.rejected, first.unfinished], [1, 0, 1])
    await workspace.write('in.ndjson', '{"id":1}\n{"id":2,"x":"abc"}\n{"id":3')
    const second = await workspace.report(['backfill', 'p', 'in.ndjson'])
    assert.deepEqual([second.written, second.rejected, second.unfinished], [1, 0, 1])
    const last = await workspace.report(['run', 'p', '--final'])
    assert.deepEqual([last.read, last.rejects, last.unfinished], [1, { INVALID_JSON: 1 }, 0])
    const { code, stderr } = await workspace.sluice(['run', 'p', '--final', '--follow'])
    assert.equal(code, 2)
    assert.match(stderr, /--follow and --final exclude each other/)
  })

  test('keeps the records before the damage in a truncated archive, and names the file', async (t) => {
    const workspace = await openWorkspace(t)
    const lines = Array.from({ length: 5000 }, (_, id) => `{"id":${id},"text":"${Math.sin(id)}"}`)
    const whole = gzipSync(`${lines.join('\n')}\n`)
    await workspace.write('in.ndjson', whole.subarray(0, whole.length / 2))
    await writePipeline(workspace)

    const report = await workspace.report(['run', 'p'], { code: 3 })

    assert.equal(report.outcome, 'failed')
    assert.equal(report.error?.code, 'INPUT_CORRUPT')
    assert.match(report.error?.message ?? '', /in\.ndjson/)
    assert.ok(report.written > 1000, `only ${report.written} were written`)
    assert.deepEqual(await linesBelow(workspace.path('out')), lines.slice(0, report.written))
  })

  test('exits with the status of the kind of failure', async (t) => {
    const workspace = await openWorkspace(t)
    await writePipeline(workspace)
    assert.equal((await workspace.sluice(['run', 'p'])).code, 3, 'no input')
    await workspace.write('in.ndjson', '{"id":1}\nnull\n')
    assert.equal((await workspace.sluice(['run', 'absent'])).code, 2, 'no such pipeline')
    assert.equal((await workspace.sluice(['run', 'p', '--sett', 'x'])).code, 2, 'no such option')
    assert.equal((await workspace.sluice(['run', 'p', '--fail-on-reject'])).code, 5, 'a reject')
    await workspace.write('pipelines/q.yaml', fileToFile().replace('sink:', 'snik:'))
    const mistake = await workspace.sluice(['run', 'q'])
    assert.equal(mistake.code, 2)
    assert.match(mistake.stderr, /pipelines\/q\.yaml:2:1 error: .*snik/)
    assert.match(mistake.stderr, /did you mean "sink"/)
  })

  test('writes only records to a pipe, with backpressure', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/p.yaml', 'source: { type: file, path: "-" }\nsink: { type: stdout }\n')
    const lines = Array.from({ length: 3000 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(1000)}"}\n`).join('')
    const { code, stdout } = await workspace.sluice(['run', 'p'], { input: lines })
    assert.equal(code, 0)
    assert.equal(stdout, lines)
  })

  test('takes overrides from the command line and secrets from the environment, and prints no secret', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('other.ndjson', '{"id":1,"ip":"10.0.0.1"}\n')
    await writePipeline(
      workspace,
      '  - { type: redact, rules: [{ path: ip, action: hmac, key: "${env:HMAC_KEY}" }] }\n  - { type: ../bad.js }',
    )
    await workspace.write('bad.js', 'export default () => { throw new Error(process.env.HMAC_KEY) }\n')
    const env = { HMAC_KEY: 'canary-value-of-the-key' }
    const { code, stdout, stderr } = await workspace.sluice(['run', 'p', '--set', 'source.path=other.ndjson'], { env })
    assert.equal(code, 0, stderr)
    assert.ok(!stderr.includes('canary') && !stdout.includes('canary'))
    assert.match(stderr, /rejected +1 +TRANSFORM_FAILED 1/)
    assert.equal((await workspace.sluice(['run', 'p'])).code, 2, 'the variable is not set')
  })

  test('a rule with a misspelt path is in the log and in the report, and one that matches is not', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1,"initiated_by":{"email":"a","name":"b"}}\n'.repeat(3))
    await writePipeline(
      workspace,
      '  - { type: redact, rules: [{ path: initated_by.email, action: mask }, { path: initiated_by.name, action: drop }] }',
    )
    const { stderr } = await workspace.sluice(['run', 'p', '--report', 'report.json'])
    const lines = stderr.split('\n').filter((line) => line.includes('a rule matched nothing in this run'))
    assert.equal(lines.length, 1)
    assert.match(lines[0], /stage=redact rule="rules\[0\] initated_by.email"/)
    const report: { rules: unknown } = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
    assert.deepEqual(report.rules, [
      { stage: 'redact', rule: 'rules[0] initated_by.email', matches: 0 },
      { stage: 'redact', rule: 'rules[1] initiated_by.name', matches: 3 },
    ])
  })

  test('onError: stop ends the run at the first throw and commits the records before it', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n{"id":2}\n')
    await workspace.write(
      'bad.js',
      'export default (record) => { if (record.get("id") === 2) throw new Error("x"); return record }\n',
    )
    await writePipeline(workspace, '  - { type: ../bad.js, onError: stop }')
    const { code, stderr } = await workspace.sluice(['run', 'p'])
    assert.equal(code, 1, stderr)
    assert.match(stderr, /TRANSFORM_FAILED.*bad/)
    const report = await workspace.report(['run', 'p', '--set', 'transforms[0].onError=reject'])
    assert.deepEqual([report.read, report.written, report.rejected], [2, 1, 1])
  })

  test('rejects an object stream after dedup, because its output has no dedup key', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n{"id":1}\n{"id":2}\n')
    await workspace.write(
      'stream.js',
      `import { Transform } from 'node:stream'
import { defineTransform } from 'sluice'
const duplex = () => new Transform({ objectMode: true, transform: (record, _encoding, done) => done(null, { ...record, seen: true }) })
export default defineTransform({ summary: 'A stream.', fields: {}, examples: [], create: () => ({ duplex }) })
`,
    )
    await writePipeline(workspace, '  - { type: dedup, key: id }\n  - { type: ../stream.js }')
    const { code, stderr } = await workspace.sluice(['run', 'p'])
    assert.equal(code, 2)
    assert.match(
      stderr,
      /transform stream is after dedup, but its output is not tied to its input\n +.*move dedup after stream/,
    )
    await writePipeline(workspace, '  - { type: ../stream.js }\n  - { type: dedup, key: id }')
    assert.equal((await workspace.report(['run', 'p'])).written, 2)
    assert.deepEqual(await linesBelow(workspace.path('out')), ['{"id":1,"seen":true}', '{"id":2,"seen":true}'])
  })

  test('refuses a report that cannot be written before it runs', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', good(1))
    await writePipeline(workspace)
    for (const [path, text] of [
      ['no/such/report.json', /USAGE: --report no\/such\/report\.json: .*no\/such is not a folder\n/],
      ['in.ndjson/report.json', /in\.ndjson is not a folder\n/],
      ['pipelines', /USAGE: --report pipelines: this is a folder\n/],
    ] as const) {
      const { code, stderr } = await workspace.sluice(['run', 'p', '--report', path])
      assert.match(stderr, text)
      assert.equal(code, 2)
    }
    assert.equal((await workspace.report(['run', 'p'])).written, 1)
  })

  test('runs several pipelines in parallel', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await writePipeline(workspace)
    await workspace.write('pipelines/q.yaml', fileToFile().replace('out', 'out2'))
    const { code, stderr } = await workspace.sluice(['run', 'p', 'q'])
    assert.equal(code, 0, stderr)
    assert.deepEqual(await linesBelow(workspace.path('out')), await linesBelow(workspace.path('out2')))
  })

  test('ends with SINK_FAILED if a custom stream sink throws an error of its own', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', good(1))
    for (const [name, create] of [
      ['write', '{ write: async () => { throw new TypeError("socket hang up") }, flush: async () => {} }'],
      ['flush', '{ write: async () => {}, flush: async () => { throw new TypeError("socket hang up") } }'],
    ]) {
      await workspace.write(
        `sinks/${name}.js`,
        `import { defineSink } from 'sluice'
export default defineSink({ summary: 'Fails.', delivers: 'stream', fields: {}, create: () => (${create}) })
`,
      )
      await workspace.write(
        `pipelines/${name}.yaml`,
        `source: { type: file, path: in.ndjson }\nsink: { type: ../sinks/${name}.js }\n`,
      )
      const { code, stderr } = await workspace.sluice(['run', name])
      assert.equal(code, 4, stderr)
      assert.match(stderr, /SINK_FAILED: the sink failed: socket hang up/)
    }
  })

  test('closes a stream sink once, also after a failure, and refuses a sink that lacks a method', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', good(1))
    const sinks = {
      sound: 'write: async () => {}, flush: async () => {}',
      failing: 'write: async () => { throw new Error("no") }, flush: async () => {}',
      incomplete: 'write: async () => {}',
    }
    const results = new Map<string, string>()
    for (const [name, methods] of Object.entries(sinks)) {
      await workspace.write(
        `sinks/${name}.js`,
        `import { defineSink } from 'sluice'
const create = () => ({ ${methods}, close: () => process.stderr.write('closed\\n') })
export default defineSink({ summary: 'For tests.', delivers: 'stream', fields: {}, create })
`,
      )
      await workspace.write(
        `pipelines/${name}.yaml`,
        `source: { type: file, path: in.ndjson }\nsink: { type: ../sinks/${name}.js }\n`,
      )
      results.set(name, (await workspace.sluice(['run', name])).stderr)
    }
    for (const name of ['sound', 'failing']) assert.equal(results.get(name)?.match(/closed/g)?.length, 1, name)
    assert.match(results.get('incomplete') ?? '', /COMPONENT_LOAD_FAILED: .*without flush/)
  })

  test('logs once that the WebAssembly scanner did not load, and reads the same records without it', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', Buffer.concat([good(1), good(2)]))
    for (const name of ['a', 'b']) await workspace.write(`pipelines/${name}.yaml`, toFolder(name))
    const node = ['--import', 'data:text/javascript,delete globalThis.WebAssembly']
    const { code, stderr } = await workspace.sluice(['run', 'a', 'b'], { node, env: { SLUICE_SCANNER: '' } })
    assert.equal(code, 0, stderr)
    assert.equal(stderr.match(/the WebAssembly scanner is not in use; .*reason=.*WebAssembly/g)?.length, 1, stderr)
    assert.deepEqual(await linesBelow(workspace.path('a')), ['{"id":1}', '{"id":2}'])
    const usual = await workspace.sluice(['run', 'a'])
    assert.ok(!usual.stderr.includes('scanner'), usual.stderr)
  })

  test('refuses a pipeline that is given twice, by name or by path', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/p.yaml', fileToFile())
    const { code, stderr } = await workspace.sluice(['run', 'p', 'pipelines/p.yaml'])
    assert.deepEqual([code, /USAGE: the pipeline p is given twice/.test(stderr)], [2, true], stderr)
  })

  test('reports each of several failing pipelines', async (t) => {
    const workspace = await openWorkspace(t)
    for (const name of ['p', 'q']) {
      await workspace.write(`pipelines/${name}.yaml`, fileToFile().replace('in.ndjson', `absent-${name}.ndjson`))
    }
    const { code, stderr } = await workspace.sluice(['run', 'p', 'q'])
    assert.equal(code, 3, stderr)
    assert.match(stderr, /^p: FILE_NOT_FOUND: "absent-p.ndjson"/m)
    assert.match(stderr, /^q: FILE_NOT_FOUND: "absent-q.ndjson"/m)
  })
})

function toFolder(path: string): string {
  return `source: { type: file, path: in.ndjson }\nsink: { type: file, path: ${path}, key: all, compression: none }\n`
}
