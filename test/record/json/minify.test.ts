import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minify } from '../../../src/record/json/minify.ts'

void test('removes whitespace between tokens and keeps it in strings', () => {
  const pretty = '\r\n{\n  "a b" : [ 1.10,\t-0 ,\n 1e400 ],\r\n  "c\\" \\\\" : " { } ,\\n "\n}\n'
  assert.equal(minify(Buffer.from(pretty)).toString(), '{"a b":[1.10,-0,1e400],"c\\" \\\\":" { } ,\\n "}')
})

void test('keeps a value without whitespace', () => {
  const json = Buffer.from('{"a":"\u00e9 \\u0020"}')
  const copy = Buffer.from(json)
  assert.equal(minify(json).equals(copy), true)
})

void test('does not turn invalid JSON into valid JSON', () => {
  for (const wrong of ['1 2', 'tr ue', '- 1', '1\n.5', '[1 2]', '{"a":1 2}', 'nul\nl']) {
    assert.throws(() => JSON.parse(minify(Buffer.from(wrong)).toString()), SyntaxError, wrong)
  }
})

void test('minifies in place', () => {
  const json = Buffer.from('[ 1 , 2 ]')
  assert.equal(minify(json).buffer, json.buffer)
})

void test('handles input that ends within a string or an escape', () => {
  assert.equal(minify(Buffer.from('{ "a ')).toString(), '{"a ')
  assert.equal(minify(Buffer.from('"\\')).toString(), '"\\')
  assert.equal(minify(Buffer.alloc(0)).length, 0)
})
