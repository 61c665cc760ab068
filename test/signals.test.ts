import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { anySignal } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Collects garbage while a promise is awaited. */
async function collecting<Result>(promise: Promise<Result>): Promise<Result> {
  const timer = setInterval(collectGarbage, 20)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

const LONG = 600_000

test('a time limit that nothing else holds is kept when garbage is collected', async () => {
  const stop = new AbortController()
  const limited = () => sleep(LONG, undefined, { signal: anySignal(stop.signal, AbortSignal.timeout(300)) })
  await assert.rejects(collecting(limited()), { name: 'AbortError' })
  const nested = () => anySignal(anySignal(AbortSignal.timeout(300)), stop.signal)
  await assert.rejects(collecting(sleep(LONG, undefined, { signal: nested() })), { name: 'AbortError' })
})

test('an abort is kept when its controller is collected', async () => {
  const signal = signalOfLostController()
  await setImmediate()
  collectGarbage()
  assert.throws(() => signal.throwIfAborted(), /stop/)
})

function signalOfLostController(): AbortSignal {
  const controller = new AbortController()
  const signal = anySignal(controller.signal)
  controller.abort(new Error('stop'))
  return signal
}
