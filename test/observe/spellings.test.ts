import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { plainForm, quickTestOf, spellingsOf } from '../../src/observe/spellings.ts'
import { scaled } from '../support/scale.ts'

test('the quick test never misses what the expression finds', () => {
  const secrets = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('a', 'B', '+', '/', '-', '_', ' ', 'K', 'ſ', 'é', '"', '%'), minLength: 3 }),
  )
  const writers: readonly ((secret: string) => string)[] = [
    (secret) => secret,
    (secret) => secret.toUpperCase(),
    (secret) => secret.toLowerCase(),
    (secret) => secret.replaceAll(' ', '+'),
    encodeURIComponent,
    (secret) => JSON.stringify(JSON.stringify(secret)),
    (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
    (secret) => Buffer.from(`user:${secret}`).toString('base64'),
    (secret) => Buffer.from(`me:${secret}!`).toString('base64url'),
    (secret) => Array.from(secret, (char) => `&#${char.codePointAt(0)};`).join(''),
  ]
  let found = 0
  const property = fc.property(secrets, fc.constantFrom(...writers), fc.string(), (secret, write, around) => {
    const text = around + safely(() => write(secret)) + around
    if (!new RegExp(spellingsOf(secret), 'i').test(text)) return
    found++
    assert.ok(quickTestOf(secret)(plainForm(text)), JSON.stringify([secret, text]))
  })
  fc.assert(property, { numRuns: scaled(2000) })
  assert.ok(found > 500, `${found}`)
})

test('the quick test decides most texts', () => {
  const mayBeIn = quickTestOf('hunter2-hunter2')
  assert.ok(!mayBeIn(plainForm('committed 100 records to s3://audit/dt=2026-01-01 in 3 s')))
  assert.ok(mayBeIn(plainForm('password HUNTER2-hunter2')))
})

/** A lone surrogate has no URL encoding. */
function safely(write: () => string): string {
  try {
    return write()
  } catch {
    return ''
  }
}
