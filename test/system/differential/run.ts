/**
 * Runs both engines in two threads on the same random cases and compares the results. For a longer
 * search: `node build/test/system/differential/run.js --runs 200000 [--seed 1]`. A run is about 60
 * cases.
 */
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { fastScanner } from '../../../src/record/fast-scanner.ts'
import { runCases } from './cases.ts'
import type { Tally } from './cases.ts'

interface Options {
  readonly seed: number
  readonly runs: number
}

/** Runs per seed. A failure is repeated by its seed, without the runs before it. */
const BLOCK = 500

/**
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
} else if (isMainThread && process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } })
  const runs = Number(values.runs ?? 2000)
  const first = Number(values.seed ?? Date.now() % 1e9)
  let cases = 0
  for (let done = 0; done < runs; done += BLOCK) {
    cases += await compareEngines({ seed: first + done, runs: Math.min(BLOCK, runs - done) })
    if ((done / BLOCK) % 20 === 19) process.stdout.write(`${cases} cases\n`)
  }
  process.stdout.write(`${cases} cases from seed ${first}: no difference\n`)
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && 'seed' in value && 'runs' in value
}
