import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { fastScanner } from '../../../src/record/fast-scanner.ts'
import { runCases } from './cases.ts'
import type { Tally } from './cases.ts'

interface Options {
  readonly seed: number
  readonly runs: number
}

/**
 * Runs both engines in two threads on the same random cases. Returns the number of cases.
 * @throws Error with the seed and the run in which the engines differ, or the error of the engine
 * that differs from the model.
 */
export async function compareEngines({ seed, runs }: Options): Promise<number> {
  const [fast, plain] = await Promise.all(['wasm', 'typescript'].map((scanner) => runIn(scanner, { seed, runs })))
  const difference = fast.outcomes.findIndex((outcome, at) => outcome !== plain.outcomes[at])
  if (difference >= 0 || fast.outcomes.length !== plain.outcomes.length || fast.cases !== plain.cases) {
    throw new Error(`seed ${seed}: the engines differ in run ${difference}`)
  }
  return fast.cases
}

function runIn(scanner: string, options: Options): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      env: { ...process.env, SLUICE_SCANNER: scanner },
      workerData: options,
    })
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

if (!isMainThread && parentPort !== null && isOptions(workerData)) {
  const isFast = fastScanner() !== undefined
  if (isFast !== (process.env['SLUICE_SCANNER'] === 'wasm'))
    throw new Error('this thread does not run the requested engine')
  parentPort.postMessage(runCases(workerData.seed, workerData.runs), [])
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && 'seed' in value && 'runs' in value
}
