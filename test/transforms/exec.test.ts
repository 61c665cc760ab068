import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { buildStages } from '../../src/runtime/transform-stages.ts'
import { rehearse } from '../../src/testing/index.ts'
import type { Rehearsal } from '../../src/testing/index.ts'
import exec from '../../src/transforms/exec.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openRecords } from './stage.ts'

/** A program that answers each line as soon as it has read it. `answer` is the body of a function of a line. */
function answering(answer: string, atEnd = ''): string[] {
  const text = `
    const write = (text) => require('node:fs').writeSync(1, text + '\\n')
    let count = 0
    const answer = (line) => { ${answer} }
    require('node:readline').createInterface({ input: process.stdin })
      .on('line', (line) => { count++; const made = answer(line); if (made !== undefined) write(made) })
      .on('close', () => { ${atEnd} })`
  return [process.execPath, '-e', text]
}

/** A program of a few lines that reads nothing by itself. */
function script(text: string): string[] {
  return [process.execPath, '-e', text]
}

async function run(
  config: object,
  records: readonly (string | { readonly [key: string]: number })[],
): Promise<Rehearsal> {
  return rehearse(exec, records, { config, folder: '/' })
}

async function failure(config: object, records: readonly string[] = ['{"n":1}', '{"n":2}']): Promise<SluiceError> {
  let error: unknown
  await run(config, records).catch((thrown: unknown) => (error = thrown))
  assert.ok(error instanceof SluiceError, 'it does not fail')
  assert.equal(error.code, 'PROGRAM_FAILED')
  return error
}

for (const process of ['batch', 'run']) {
  test(`process: ${process}: line n answers record n, and null or an empty line drops it`, async () => {
    const command = answering(`const { n } = JSON.parse(line)
      return n === 2 ? 'null' : n === 3 ? ' ' : n === 4 ? line : JSON.stringify({ n, m: n + 1 })`)
    const { lines, dropped, rejects } = await run({ command, process }, [
      '{ "n" : 1 }',
      '{"n":2}',
      '{"n":3}',
      '{ "n":4 }',
    ])
    assert.deepEqual(lines, ['{ "n" : 1,"m":2 }', '{ "n":4 }'])
    assert.equal(dropped, 2)
    assert.deepEqual(rejects, [])
  })

  test(`process: ${process}: a batch larger than all pipes comes back whole and in order`, async () => {
    const records = Array.from({ length: 4000 }, (_, n) => ({ n, text: 'x'.repeat(500) }))
    const text = records.map((record) => JSON.stringify(record))
    const { lines } = await run({ command: ['cat'], process }, text)
    assert.deepEqual(lines, text)
  })

  test(`process: ${process}: a program that dies fails the run by its name`, async () => {
    const error = await failure({ command: answering('if (count === 2) process.exit(3); return line'), process })
    assert.match(error.message, /ended with status 3/)
    const killed = await failure({ command: answering(`process.kill(process.pid, 'SIGKILL')`), process })
    assert.match(killed.message, /was killed by SIGKILL/)
  })

  test(`process: ${process}: a program that hangs is killed, whether it reads or not`, async () => {
    const silent = await failure({ command: answering(''), process, timeout: '300ms' }).catch(() => undefined)
    // In a batch it ends at the end of its input, without an answer.
    if (process === 'run') assert.match(silent?.message ?? '', /has written nothing for 0.3 s/)
    const deaf = script(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`)
    const large = Array.from({ length: 2000 }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(500) }))
    const error = await failure({ command: deaf, process, timeout: '300ms' }, large)
    assert.match(error.message, /has not read its input for 0.3 s/)
  })

  test(`process: ${process}: more lines than records fail the run`, async () => {
    const error = await failure({ command: answering('write(line); return line'), process })
    assert.match(error.message, /more (than 2 )?lines/)
  })
}

test('a program of object streams, made with the ndjson package, works in both modes', async () => {
  const program = `
    const ndjson = require(${JSON.stringify(createRequire(import.meta.url).resolve('ndjson'))})
    const { Transform } = require('node:stream')
    const mark = new Transform({ objectMode: true, transform: (event, _, done) => done(null, { ...event, seen: true }) })
    process.stdin.pipe(ndjson.parse()).pipe(mark).pipe(ndjson.stringify()).pipe(process.stdout)`
  for (const process of ['batch', 'run']) {
    const { lines } = await run({ command: script(program), process }, ['{"n" : 12345678901234567890}', '{"n":1.10}'])
    assert.deepEqual(lines, ['{"n" : 12345678901234567890,"seen":true}', '{"n":1.10,"seen":true}'])
  }
})

test('members that the program did not change keep their bytes, whatever it does to their spelling', async () => {
  const command = answering('return JSON.stringify({ zz: 1, ...JSON.parse(line), s: 2, gone: undefined })')
  const { lines } = await run({ command }, [
    '{ "big":12345678901234567890, "n" : 1.10, "e":"\\u00e9", "o":{ "x" : [1e2, {"y":-0.0}] }, "s":1, "gone" : 5 }',
    '{"gone":1,"a":[1,2],"s":2}',
    '{"gone":1}',
  ])
  assert.deepEqual(lines, [
    '{ "big":12345678901234567890, "n" : 1.10, "e":"\\u00e9", "o":{ "x" : [1e2, {"y":-0.0}] }, "s":2,"zz":1 }',
    '{"a":[1,2],"s":2,"zz":1}',
    '{"zz":1,"s":2}',
  ])
})

test('a number with more digits than a double is the one that the program wrote', async () => {
  const command = answering(`return line.replace('7890,', '7891,')`)
  const { lines } = await run({ command }, ['{"a":12345678901234567890,"b":1}'])
  assert.deepEqual(lines, ['{"a":12345678901234567891,"b":1}'])
})

test('process: batch: an answer that is no record rejects its record, as it was', async () => {
  const answers = [
    `'garbage'`,
    '[1]',
    `'{"a":'`,
    `'{"n":5,"x":"' + 'y'.repeat(2_000_000) + '"}'`,
    'Buffer.from([0x7b])',
  ]
  const command = answering(`return count > 5 ? line : [${answers.join(',')}][count - 1]`)
  const { lines, rejects } = await run(
    { command },
    [1, 2, 3, 4, 5, 6].map((n) => ({ n })),
  )
  assert.deepEqual(lines, ['{"n":6}'])
  assert.deepEqual(
    rejects.map(({ index, code, detail }) => [
      index,
      code,
      detail?.replace('the program answered with a line that is ', ''),
    ]),
    [
      [0, 'OUTPUT_INVALID', 'not JSON'],
      [1, 'OUTPUT_INVALID', 'JSON, but not an object'],
      [2, 'OUTPUT_INVALID', 'not JSON'],
      [3, 'OUTPUT_INVALID', 'longer than limits.maxLine'],
      [4, 'OUTPUT_INVALID', 'not JSON'],
    ],
  )
})

test('process: run: after a line that is no record nothing is sure, and the run fails', async () => {
  const error = await failure({ command: answering(`return count === 1 ? 'starting …' : line`), process: 'run' })
  assert.match(error.message, /line 1 of the program's output is not JSON/)
  assert.doesNotMatch(error.message, /starting/)
})

test('too few lines, an unread rest and an endless output fail the run', async () => {
  const few = await failure({ command: ['grep', 'n":2'] })
  assert.match(few.message, /grep wrote 1 lines for 2 records/)
  assert.match(few.hint ?? '', /lines: any/)
  const large = Array.from({ length: 2000 }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(1000) }))
  const unread = await failure({ command: ['head', '-n', '1'], lines: 'any' }, large)
  assert.match(unread.message, /head ended without reading all of its input/)
  const endless = await failure({ command: ['yes', '{}'], lines: 'any' })
  assert.match(endless.message, /more than 66 MiB/)
})

test('lines: any: what remains is tied to its records, and what is new stands beside them', async () => {
  const command = answering(`const { n } = JSON.parse(line)
    if (n === 2) return undefined
    write(n === 4 ? '{"n":40}' : line.replace(':', ': '))
    if (n === 5) { write('null'); write('{"new":true}') }`)
  const { lines, dropped } = await run(
    { command, lines: 'any' },
    [1, 2, 3, 4, 5, 6].map((n) => ({ n })),
  )
  assert.deepEqual(lines, ['{"n":1}', '{"n":3}', '{"n":40}', '{"n":5}', '{"new":true}', '{"n":6}'])
  assert.equal(dropped, 1)
})

test('lines: any: a filter that finds nothing, and one that makes all records at its end', async () => {
  const nothing = await failure({ command: ['grep', 'absent'], lines: 'any' })
  assert.match(nothing.hint ?? '', /successStatus: \[0, 1\]/)
  const { dropped, lines } = await run({ command: ['grep', 'absent'], lines: 'any', successStatus: [0, 1] }, [{ n: 1 }])
  assert.deepEqual([dropped, lines], [1, []])
  const sum = answering('', `write('{"a":1}'); write('{"a":2}'); write('{"a":3}')`)
  assert.deepEqual((await run({ command: sum, lines: 'any' }, [{ n: 1 }, { n: 2 }])).lines, [
    '{"a":1}',
    '{"a":2}',
    '{"a":3}',
  ])
  const garbage = await failure({ command: answering(`return 'x'`), lines: 'any' })
  assert.match(garbage.message, /line 1 of the program's output is not JSON/)
})

test('earlier edits are in what the program reads, and rejected records do not reach it', async () => {
  const paths = new Paths()
  const transforms = [{ declaration: exec, config: withDefaults({ command: ['cat'] }), stage: 'exec' }]
  const [stage] = await buildStages({ name: 'p', folder: '/', transforms }, { paths, hashKey: undefined })
  const path = paths.add('a')
  const [batch] = openRecords(['{"a":1,"b":2}', 'broken', '{"a":2}'], paths)
  batch.edit(batch.hit(0, path), batch.token(Buffer.from('9')))
  const [made] = await stage.run(batch)
  await stage.close()
  assert.equal(made.assemble().toString(), '{"a":9,"b":2}\n{"a":2}\n')
  assert.deepEqual(
    made.rejects.map(({ code, line }) => [code, line]),
    [['INVALID_JSON', 2]],
  )
})

test('what cannot be started is named, with the way out', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'plain.sh'), '#!/bin/sh\ncat\n')
  const fail = async (command: string[]) => {
    const error: unknown = await rehearse(exec, [{ n: 1 }], { config: { command }, folder }).catch(
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof SluiceError)
    return error.message
  }
  assert.match(await fail(['no-such-program-anywhere']), /no-such-program-anywhere could not be started \(ENOENT\)/)
  assert.match(await fail(['./plain.sh']), /plain.sh is not executable/)
  await chmod(join(folder, 'plain.sh'), 0o755)
  const { lines } = await rehearse(exec, [{ n: 1 }], { config: { command: ['./plain.sh'] }, folder })
  assert.deepEqual(lines, ['{"n":1}'])
})

test('nothing that the program has started is left', async (t) => {
  const folder = await temporaryFolder(t)
  const left = await isLeft(folder, `sleep 300 & echo $! > pid; exec cat`, {})
  assert.equal(left, false, 'after a batch')
  await assert.rejects(isLeft(folder, `sleep 300 & echo $! > pid; sleep 300`, { timeout: '200ms' }), {
    code: 'PROGRAM_FAILED',
  })
  assert.equal(await lives(folder), false, 'after a timeout')
})

async function isLeft(folder: string, shell: string, more: object): Promise<boolean> {
  const command = ['sh', '-c', shell.replace('sleep 300 &', 'sleep 300 >/dev/null 2>&1 </dev/null &')]
  await rehearse(exec, [{ n: 1 }], { config: { command, ...more }, folder })
  return lives(folder)
}

async function lives(folder: string): Promise<boolean> {
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
  // A process that was killed is there until its parent has seen it.
  for (let tries = 0; tries < 100; tries++) {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (status === undefined || / Z /.test(status)) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

test('a run that is over ends a program that hangs at once', async () => {
  const config = withDefaults({
    command: script(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`),
    timeout: 600_000,
  })
  const transforms = [{ declaration: exec, config, stage: 'exec' }]
  const [stage] = await buildStages({ name: 'p', folder: '/', transforms }, { paths: new Paths(), hashKey: undefined })
  const [batch] = openRecords(['{"n":1}'])
  const made = Promise.resolve(stage.run(batch))
  const failed = assert.rejects(made, { code: 'INTERRUPTED' })
  await stage.close()
  await failed
})

function withDefaults(config: object): { [key: string]: unknown } {
  return { process: 'batch', lines: 'one', env: {}, successStatus: [0], timeout: 60_000, ...config }
}
