import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../src/errors.ts'
import { readState } from '../../src/delivery/state/state-reader.ts'

/**
 * Reads a state as fast as it can, from before it exists until it has been read so many times. Sends a
 * message when it has begun.
 */
const [folder, times] = process.argv.slice(2)
let polls = 0
let reads = 0
while (reads < Number(times)) {
  try {
    await readState(folder, (state) => [state.meta, state.partitions(), state.objects(), state.history()])
    reads++
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'STATE_NOT_FOUND')) throw error
    if (polls++ === 0) process.send?.('polling')
    await sleep(0)
  }
}
