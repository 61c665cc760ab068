import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { beforeEach, test } from 'node:test'
import { openLog } from '../../src/observe/log.ts'
import { safeJson, safeLine } from '../../src/observe/output.ts'
import { printable } from '../../src/observe/printable.ts'
import { addSecret, forgetSecrets } from '../../src/observe/secrets.ts'
import { REPOSITORY } from '../support/paths.ts'

beforeEach(forgetSecrets)

/** ESC sequences, OSC, C1, DEL, reversed text, line separators and invisible tags. */
const HOSTILE = '\u001b[2J\u001b]0;title\u0007\u009b31m\u007f\u202eexe.\u2066\u2028x\u200b\ufeff\ud800\udb40\udc41'

test('escapes everything that a terminal obeys or hides, and keeps letters, emoji and tabs', () => {
  assert.equal(
    printable(HOSTILE),
    '\\u001b[2J\\u001b]0;title\\u0007\\u009b31m\\u007f\\u202eexe.\\u2066\\u2028x\\u200b\\ufeff\\ud800\\udb40\\udc41',
  )
  const kept = 'naïve 日本語 עברית العربية \t 👩‍👩‍👧 क्‍ष'
  assert.equal(printable(kept), kept)
})

test('a line feed in a message or a value forges no line of the log', async () => {
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text) }
  const log = await openLog({ stream })
  log.noteOf('mine')('a\n2026-01-01T00:00:00.000Z forged', { file: 'b\r\nc', plain: 'd\u2028e\u001b[1A' })
  const json = await openLog({ format: 'json', stream })
  json.noteOf('mine')('a\nb', { file: HOSTILE })
  assert.equal(written.length, 2)
  assert.match(
    written[0],
    /^\S+ info  a\\n2026-01-01T00:00:00\.000Z forged file="b\\r\\nc" plain="d\\u2028e\\u001b\[1A"\n$/,
  )
  for (const line of written) assert.doesNotMatch(line.slice(0, -1), /(?!\t)[\p{Cc}\p{Cf}\p{Zl}]/u)
  const parsed: { file: string } = JSON.parse(written[1])
  assert.equal(parsed.file, HOSTILE)
})

test('JSON stays JSON: numbers are no secrets, and escapes mean the same', () => {
  addSecret('4711')
  addSecret('se"cret')
  const text = safeJson({ a: 4711, b: 'x4711', c: 'se"cret', d: HOSTILE }, 2)
  assert.deepEqual(JSON.parse(text), { a: 4711, b: 'x***', c: '***', d: HOSTILE })
  assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}]/u)
})

test('hides a secret before it escapes the text, since escapes would change the secret', () => {
  addSecret('se\u009bcret')
  assert.equal(safeLine('x se\u009bcret'), 'x ***')
})

test('only the writers write: nothing else uses stdout, stderr or the console', async () => {
  const writers = ['observe/output.ts', 'observe/log.ts', 'sinks/stdout.ts', 'generate/generate.ts']
  const names = await readdir(`${REPOSITORY}/src`, { recursive: true })
  const others: string[] = []
  for (const name of names.filter((one) => one.endsWith('.ts') && !writers.includes(one))) {
    const code = await readFile(`${REPOSITORY}/src/${name}`, 'utf8')
    if (/std(out|err)\.write\((?!'')|console\.\w+\(/.test(code)) others.push(name)
  }
  assert.deepEqual(others, [])
})
