import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import redact from '../../../src/transforms/redact.ts'
import { fixture } from '../../support/paths.ts'
import { runStage } from '../stage.ts'

const NAMES = ['email', 'ipv4', 'ipv6', 'mac', 'card', 'iban', 'jwt', 'cloudKey', 'privateKey']

for (const name of NAMES) {
  test(`${name} finds the marked parts of the texts in its corpus, and nothing else`, async (context) => {
    const texts = (await readFile(fixture(`detectors/${name}.txt`), 'utf8')).trimEnd().split('\n')
    const marked = texts.map((text) => text.replaceAll('§', ''))
    const { lines } = await runStage(
      redact,
      { preset: 'none', rules: [{ detect: [name], action: 'mask', with: '⟦⟧' }] },
      marked.map((text) => `{"text":"${text.replaceAll(/[⟦⟧]/g, '')}"}`),
    )
    const wrong: string[] = []
    let values = 0
    let found = 0
    let right = 0
    for (const [at, text] of marked.entries()) {
      const expected: unknown = JSON.parse(`"${text.replaceAll(/⟦.*?⟧/g, '⟦⟧')}"`)
      const { text: actual }: { text: string } = JSON.parse(lines[at])
      const [there, seen] = [text.split('⟦').length - 1, actual.split('⟦').length - 1]
      values += there
      found += seen
      if (actual === expected) right += seen
      else wrong.push(`${text} became ${actual}`)
    }
    context.diagnostic(
      `${name}: ${texts.length} texts, ${values} values, ${wrong.length} texts wrong, ` +
        `precision ${((100 * right) / found).toFixed(1)} %, recall ${((100 * right) / values).toFixed(1)} %`,
    )
    assert.deepEqual(wrong, [])
  })
}

/** Texts of `held-out.txt` that are judged wrongly: nothing in the text says that it is a version. */
const WRONG = ['agent 5.12.14.2 installed']

test('judges texts that the detectors were not written for', async (context) => {
  const rows = (await readFile(fixture('detectors/held-out.txt'), 'utf8')).trimEnd().split('\n')
  const wrong: string[] = []
  for (const row of rows) {
    const [name, marked] = row.replaceAll('§', '').split('\t')
    const { lines } = await runStage(
      redact,
      { preset: 'none', rules: [{ detect: [name], action: 'mask', with: '⟦⟧' }] },
      [`{"text":"${marked.replaceAll(/[⟦⟧]/g, '')}"}`],
    )
    const expected: unknown = JSON.parse(`{"text":"${marked.replaceAll(/⟦.*?⟧/g, '⟦⟧')}"}`)
    if (!isDeepStrictEqual(JSON.parse(lines[0]), expected)) wrong.push(marked)
  }
  context.diagnostic(`${rows.length} texts, ${wrong.length} wrong`)
  assert.deepEqual(wrong, WRONG)
})

test('leaves the events of vendors byte by byte, or changes only the strings with a value', async (context) => {
  const files = ['redaction/harmless.txt', 'jumpcloud-events.ndjson']
  const texts = await Promise.all(files.map((file) => readFile(fixture(file), 'utf8')))
  const events = texts.flatMap((text) => text.trimEnd().split('\n'))
  const { lines } = await runStage(
    redact,
    { preset: 'none', rules: [{ detect: NAMES, action: 'mask', with: 'M' }] },
    events,
  )
  let same = 0
  for (const [at, line] of lines.entries()) {
    if (line === events[at]) same++
    // A string that was replaced may have another spelling; all bytes around it stay.
    const [before, after] = [events[at], line].map((one) => one.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'))
    assert.equal(after, before)
    assert.ok(line === events[at] || line.includes('M'))
  }
  context.diagnostic(`${events.length} events, ${same} unchanged`)
  assert.ok(same > 200)
})
