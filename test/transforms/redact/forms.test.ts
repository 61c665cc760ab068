import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FORMS, WATCHED } from '../../../src/transforms/redact/forms.ts'

test('a string is searched for every text of a form, also if all other bytes are those of an identifier', () => {
  for (const { name, needles } of FORMS) {
    for (const needle of needles) {
      const value = Buffer.from(`000000000000${needle}`)
      assert.ok(WATCHED.isWatched(value, 0, value.length, false), `${name}: ${needle}`)
    }
  }
})
