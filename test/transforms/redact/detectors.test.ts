import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
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
