import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError as Published } from 'sluice'
import { asSluiceError, SluiceError } from '../src/errors.ts'
import { ResponseError } from '../src/sources/http/transport/response-error.ts'

test('an error of another copy of Sluice in the same process is a SluiceError, and keeps its code', () => {
  assert.notEqual(Published, SluiceError)
  const foreign = new Published('SINK_REFUSED', 'full')
  assert.ok(foreign instanceof SluiceError)
  assert.equal(asSluiceError(foreign, 'INTERNAL', 'a bug').code, 'SINK_REFUSED')
})

test('a class below SluiceError has only its own instances', () => {
  assert.ok(!(new SluiceError('USAGE', 'x') instanceof ResponseError))
  assert.ok(!(Object.create(null) instanceof SluiceError))
  assert.ok(!(new Error('x') instanceof SluiceError))
})
