import { createRandom } from '../random.ts'
import type { Loss } from './disk.ts'
import { judge } from './check-outcome.ts'
import { Process } from './process.ts'
import type { CrashPoint } from './process.ts'
import type { Workload } from './workload.ts'
import { live, World } from './world.ts'
import type { Life, Plant } from './world.ts'

export interface ExploreOptions {
  readonly workload: Workload
  readonly folder: string
  readonly plant?: Plant | undefined
}

/** A story of crashes, each in a life of its own. */
export interface Story {
  readonly crashes: readonly (CrashPoint & { readonly loss: Loss })[]
  /** Decides what is lost by chance, and in which order operations end. */
  readonly seed: number
  readonly isShuffled?: boolean
}

export interface Told {
  /** What was wrong in the end. */
  readonly problems: readonly string[]
  /** Operations of each life. */
  readonly operations: readonly (readonly string[])[]
}

/** Lives on until a run is done, and judges what it left. */
export async function tell({ workload, folder, plant }: ExploreOptions, story: Story): Promise<Told> {
  const world = new World()
  const random = createRandom(story.seed)
  const operations: (readonly string[])[] = []
  if (workload.mends) await readAll({ world, workload, folder })
  for (let life = 0; life < MOST_LIVES; life++) {
    const crash = story.crashes.at(life)
    const process = new Process(crash, story.isShuffled === true ? random : undefined)
    const error = await live({ world, process, workload, folder, plant })
    operations.push(process.operations)
    if (crash && process.isDead) world.crash(crash.loss, random)
    else if (error === undefined) return { problems: judge(world, workload), operations }
    else if (!('code' in error) || error.code !== 'SOURCE_UNAVAILABLE') return { problems: [String(error)], operations }
  }
  return { problems: ['it was never done'], operations }
}

const MOST_LIVES = 8

async function readAll(life: Omit<Life, 'process'>): Promise<void> {
  let error: Error | undefined
  do error = await live({ ...life, process: new Process() })
  while (error && 'code' in error && error.code === 'SOURCE_UNAVAILABLE')
  if (error) throw error
  life.world.isRead = true
}

/** How many operations a run has that nothing disturbs; its problems, if it has any. */
export async function measure(options: ExploreOptions): Promise<Told> {
  return tell(options, { crashes: [], seed: 1 })
}

/** A crash before and after every operation of the first life. */
export function* crashes(operations: number, loss: Loss, seed: number): Generator<Story> {
  for (let operation = 1; operation <= operations; operation++) {
    yield { crashes: [{ operation, when: 'before', loss }], seed: seed + operation }
    yield { crashes: [{ operation, when: 'after', loss }], seed: seed + operation }
  }
}

/** A process that is killed at each of its first operations, and a failure of the power at each of the next one's. */
export function* pairs(first: number, second: number, seed: number): Generator<Story> {
  for (let operation = 1; operation <= first; operation++) {
    for (let next = 1; next <= second; next++) {
      const killed = { operation, when: 'after', loss: 'all stay' } as const
      yield { crashes: [killed, { operation: next, when: 'after', loss: 'none stays' }], seed }
    }
  }
}

/** Crashes of the first life and, up to twice, of the lives that recover from them, at points that a seed chooses. */
export function* chains(count: number, operations: number, seed: number): Generator<Story> {
  const random = createRandom(seed)
  for (let story = 0; story < count; story++) {
    const pointBelow = (limit: number) => ({
      operation: 1 + random.below(limit),
      when: random.chance(0.5) ? ('before' as const) : ('after' as const),
      loss: (['all stay', 'none stays', 'by chance'] as const)[random.below(3)],
    })
    // Recoveries are short: a point far behind would mostly be one of the run that follows.
    const points = [pointBelow(operations), pointBelow(random.chance(0.7) ? 40 : operations)]
    if (random.chance(0.3)) points.push(pointBelow(40))
    yield { crashes: points, seed: random.below(2 ** 31), isShuffled: random.chance(0.5) }
  }
}

/** The same in an order that a seed chooses: what many stories show is found soon. */
export function shuffle<T>(items: readonly T[], seed: number): T[] {
  const random = createRandom(seed)
  const drawn = items.map((item) => ({ item, at: random.next() }))
  return drawn.toSorted((one, other) => one.at - other.at).map(({ item }) => item)
}

/** The first of the stories that does not end well. */
export async function findBad(
  options: ExploreOptions,
  stories: Iterable<Story>,
): Promise<{ readonly story: string; readonly problems: readonly string[] } | undefined> {
  for (const story of stories) {
    const { problems } = await tell(options, story)
    if (problems.length > 0) return { story: nameOf(story), problems }
  }
  return undefined
}

function nameOf({ crashes: points, seed }: Story): string {
  const told = points.map(
    ({ operation, when, loss }) => `${when} operation ${operation}, where of what is not synced ${loss}`,
  )
  return `${told.length === 0 ? 'no crash' : `crash ${told.join(', then ')}`}; seed ${seed}`
}
