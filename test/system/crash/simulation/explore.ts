import { SCALE } from '../../../support/scale.ts'
import { createRandom } from '../support/random.ts'
import type { Loss } from './disk.ts'
import { WRONG_BUCKET } from './store.ts'
import { checkOutcome } from './check-outcome.ts'
import { Process } from './process.ts'
import type { CrashPoint } from './process.ts'
import type { Workload } from './workload.ts'
import { simulateRun, Environment } from './world.ts'
import type { SimulatedRun, PlantedDefect } from './world.ts'

export interface ExploreOptions {
  readonly workload: Workload
  readonly folder: string
  readonly defect?: PlantedDefect | undefined
}

/** At which operations consecutive processes crash, at most one crash each. */
export interface CrashPlan {
  readonly crashes: readonly (CrashPoint & { readonly loss: Loss })[]
  /** Decides which unsynced data is lost, and in which order concurrent operations end. */
  readonly seed: number
  readonly isShuffled?: boolean
}

export interface SimulationResult {
  /** Differences to the expected outcome. */
  readonly problems: readonly string[]
  /** Names of the operations of each run. */
  readonly operations: readonly (readonly string[])[]
}

/** Starts processes until a run is done, then checks the outcome. */
export async function simulate(
  { workload, folder, defect }: ExploreOptions,
  plan: CrashPlan,
): Promise<SimulationResult> {
  const environment = new Environment()
  const random = createRandom(plan.seed)
  const operations: (readonly string[])[] = []
  if (workload.redirects) await commitForWrongBucket({ environment, workload, folder })
  if (workload.shards) await prepareShards({ environment, workload, folder })
  if (workload.replaysRejects) await readAll({ environment, workload, folder })
  for (let run = 0; run < MAX_RUNS; run++) {
    const crash = plan.crashes.at(run)
    const process = new Process(crash, plan.isShuffled === true ? random : undefined)
    const error = await simulateRun({ environment, process, workload, folder, defect })
    operations.push(process.operations)
    if (crash && process.isDead) environment.crash(crash.loss, random)
    else if (error === undefined) return { problems: checkOutcome(environment, workload), operations }
    else if (!('code' in error) || error.code !== 'SOURCE_UNAVAILABLE') return { problems: [String(error)], operations }
  }
  return { problems: ['no run ended'], operations }
}

const MAX_RUNS = 8

async function commitForWrongBucket(run: Omit<SimulatedRun, 'process'>): Promise<void> {
  const error = await simulateRun({ ...run, process: new Process(), bucket: WRONG_BUCKET })
  if (!error || !('code' in error) || error.code !== 'SINK_REFUSED') throw error ?? new Error('nothing was refused')
  run.environment.runs = 0
}

/** What was collected before the backfill: the plan begins with its dedup keys in the index. */
async function prepareShards(run: Omit<SimulatedRun, 'process'>): Promise<void> {
  const { before } = run.workload.shards ?? {}
  if (before) await readAll({ ...run, workload: { ...run.workload, partitions: before, neverExpires: true } })
  run.environment.runs = 0
  run.environment.isPrepared = true
  run.environment.isSourceRead = false
}

async function readAll(run: Omit<SimulatedRun, 'process'>): Promise<void> {
  let error: Error | undefined
  do error = await simulateRun({ ...run, process: new Process() })
  while (error && 'code' in error && error.code === 'SOURCE_UNAVAILABLE')
  if (error) throw error
  run.environment.isSourceRead = true
}

/** Simulates a run without crashes. */
export async function measure(options: ExploreOptions): Promise<SimulationResult> {
  return simulate(options, { crashes: [], seed: 1 })
}

/** A crash before and after every operation of the first run. */
export function* crashes(operations: number, loss: Loss, seed: number): Generator<CrashPlan> {
  for (let operation = 1; operation <= operations; operation++) {
    yield { crashes: [{ operation, when: 'before', loss }], seed: seed + operation }
    yield { crashes: [{ operation, when: 'after', loss }], seed: seed + operation }
  }
}

/**
 * A kill at each of the first operations, then a power failure at each operation of the next
 * process.
 */
export function* pairs(first: number, second: number, seed: number): Generator<CrashPlan> {
  for (let operation = 1; operation <= first; operation++) {
    for (let next = 1; next <= second; next++) {
      const killed = { operation, when: 'after', loss: 'kept' } as const
      yield { crashes: [killed, { operation: next, when: 'after', loss: 'lost' }], seed }
    }
  }
}

/** Crashes of the first run and of up to two recoveries, at random points. */
export function* chains(count: number, operations: number, seed: number): Generator<CrashPlan> {
  const random = createRandom(seed)
  for (let plan = 0; plan < count; plan++) {
    const pointBelow = (limit: number) => ({
      operation: 1 + random.below(limit),
      when: random.chance(0.5) ? ('before' as const) : ('after' as const),
      loss: (['kept', 'lost', 'randomly lost'] as const)[random.below(3)],
    })
    // Recoveries are short, so a late point would mostly be after the recovery.
    const points = [pointBelow(operations), pointBelow(random.chance(0.7) ? 40 : operations)]
    if (random.chance(0.3)) points.push(pointBelow(40))
    yield { crashes: points, seed: random.below(2 ** 31), isShuffled: random.chance(0.5) }
  }
}

/** Returns the items in random order, so that a failure of many plans is found soon. */
export function shuffle<T>(items: readonly T[], seed: number): T[] {
  const random = createRandom(seed)
  const drawn = items.map((item) => ({ item, at: random.next() }))
  return drawn.toSorted((one, other) => one.at - other.at).map(({ item }) => item)
}

/** The items; below a scale of 1 only that share of them. */
export function sampled<T>(items: Iterable<T>, seed: number): T[] {
  const all = [...items]
  return SCALE < 1 ? shuffle(all, seed).slice(0, Math.ceil(SCALE * all.length)) : all
}

interface Failure {
  readonly plan: string
  readonly problems: readonly string[]
}

/** Returns the first plan that does not have the expected outcome. */
export async function findFailure(options: ExploreOptions, plans: Iterable<CrashPlan>): Promise<Failure | undefined> {
  for (const plan of plans) {
    const { problems } = await simulate(options, plan)
    if (problems.length > 0) return { plan: nameOf(plan), problems }
  }
  return undefined
}

/**
 * Searches a crash that shows a defect in one of the workloads. It begins with the operations that
 * only a process with the defect has, and with transactions: most defects that few crashes show are there.
 */
export async function findDefect(
  { defect, folder, seed }: { readonly defect: PlantedDefect; readonly folder: string; readonly seed: number },
  workloads: readonly Workload[],
): Promise<Failure | undefined> {
  const likely: WorkloadPlan[] = []
  const others: WorkloadPlan[] = []
  for (const workload of defect.workload ? [defect.workload] : workloads) {
    const { problems, operations } = await measure({ workload, folder, defect })
    if (problems.length > 0) return { plan: `${workload.name}, no crash`, problems }
    const names = operations[0]
    const sound = await measure({ workload, folder })
    const added = addedOperations(names, sound.operations[0])
    for (const loss of ['lost', 'randomly lost'] as const)
      for (const plan of crashes(names.length, loss, seed)) {
        const index = plan.crashes[0].operation - 1
        const isLikely = added.size > 0 ? added.has(index) : names[index] === 'transaction'
        ;(isLikely ? likely : others).push({ workload, plan })
      }
  }
  for (const { workload, plan } of [...shuffle(likely, seed), ...shuffle(others, seed)]) {
    const found = await findFailure({ workload, folder, defect }, [plan])
    if (found) return { ...found, plan: `${workload.name}, ${found.plan}` }
  }
  return undefined
}

interface WorkloadPlan {
  readonly workload: Workload
  readonly plan: CrashPlan
}

/** Indexes of operations that the process without the defect has not. */
function addedOperations(withDefect: readonly string[], without: readonly string[]): Set<number> {
  const added = new Set<number>()
  let matched = 0
  for (const [index, name] of withDefect.entries())
    if (name === without[matched]) matched++
    else added.add(index)
  return added
}

function nameOf({ crashes: points, seed }: CrashPlan): string {
  const texts = points.map(({ operation, when, loss }) => `${when} operation ${operation}, unsynced data ${loss}`)
  return `${texts.length === 0 ? 'no crash' : `crash ${texts.join(', then ')}`}; seed ${seed}`
}
