/**
 * Both engines, side by side in threads, on the same random cases. `node build/test/record/differential/run.js --runs 200000 [--seed 1]` for as
 * many as there is time for: a run is about 60 cases.
 */
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { fastScanner } from '../../../src/record/fast-scanner.ts'
import { runCases } from './cases.ts'
import type { Tally } from './cases.ts'

interface Order {
  readonly seed: number
  readonly runs: number
}

/** Each block has a seed of its own, so that a failure can be had again without all before it. */
const BLOCK = 500

/** @throws Error naming the block and the run where the engines differ; what differs from the model is thrown by the engine that does. */
export async function compareEngines({ seed, runs }: Order): Promise<number> {
  const [fast, plain] = await Promise.all(['wasm', 'typescript'].map((scanner) => runIn(scanner, { seed, runs })))
  const difference = fast.outcomes.findIndex((outcome, at) => outcome !== plain.outcomes[at])
  if (difference >= 0 || fast.outcomes.length !== plain.outcomes.length || fast.cases !== plain.cases) {
    throw new Error(`with the seed ${seed} the engines differ in run ${difference}`)
  }
  return fast.cases
}

function runIn(scanner: string, order: Order): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      env: { ...process.env, SLUICE_SCANNER: scanner },
      workerData: order,
    })
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

if (!isMainThread && parentPort !== null && isOrder(workerData)) {
  const isFast = fastScanner() !== undefined
  if (isFast !== (process.env['SLUICE_SCANNER'] === 'wasm'))
    throw new Error('this is not the engine that was asked for')
  parentPort.postMessage(runCases(workerData.seed, workerData.runs), [])
} else if (isMainThread && process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } })
  const runs = Number(values.runs ?? 2000)
  const first = Number(values.seed ?? Date.now() % 1e9)
  let cases = 0
  for (let done = 0; done < runs; done += BLOCK) {
    cases += await compareEngines({ seed: first + done, runs: Math.min(BLOCK, runs - done) })
    if ((done / BLOCK) % 20 === 19) process.stdout.write(`${cases} cases\n`)
  }
  process.stdout.write(`${cases} cases from seed ${first} on: no difference\n`)
}

function isOrder(value: unknown): value is Order {
  return typeof value === 'object' && value !== null && 'seed' in value && 'runs' in value
}
