import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * One rule of a contract, as a test for any runner:
 *
 *     for (const { name, run } of sourceContract(csv, fixture)) test(name, run)
 */
export interface ContractCase {
  readonly name: string
  /** Rejects with an AssertionError that says which rule is broken, and how. */
  readonly run: () => Promise<void>
}

/** Given in place of a function: why a fixture cannot do this. The cases that need it are left out. */
export type NotApplicable = string

/** Cases that need a function of the fixture; none where it gives a reason in its place. */
export function casesWith<Ability>(
  ability: Ability | NotApplicable,
  cases: (ability: Exclude<Ability, string>) => readonly ContractCase[],
): readonly ContractCase[] {
  return isAbility(ability) ? cases(ability) : []
}

function isAbility<Ability>(ability: Ability | NotApplicable): ability is Exclude<Ability, string> {
  return typeof ability !== 'string'
}

/**
 * How long a call may take before it counts as hanging. Generous: it never decides between fast and
 * slow.
 */
const HANG_MS = 15_000

/**
 * Milliseconds within which an aborted operation must end. The rule says one second; a busy machine
 * gets more.
 */
export const ABORT_MS = 5000

/** The result of an operation that must end by itself. */
export async function withoutHanging<T>(what: string, operation: Promise<T>, limit = HANG_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: `${what} did not end within ${limit / 1000} s` }))
    }, limit)
  })
  try {
    return await Promise.race([operation, hang])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Lets a number of turns of the event loop pass, so that an operation under way reaches its next
 * awaits.
 */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/**
 * Turns of the event loop after which the suites abort an operation: at once, at its first awaits,
 * and later ones.
 */
export const ABORT_AFTER: readonly number[] = [0, 1, 2, 3, 5, 8, 13, 21, 34]

/** Bytes of live memory, after a garbage collection. */
export function liveBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

let gc: (() => void) | undefined

function collectGarbage(): void {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc')
    gc = gcOf(runInNewContext('gc'))
  }
  gc()
  // The memory of array buffers is freed in a thread. A second collection waits for that thread.
  gc()
}

function gcOf(value: unknown): () => void {
  assert.ok(typeof value === 'function', 'V8 gives its garbage collector')
  return () => void Reflect.apply(value, undefined, [])
}

/** True for the error of an operation that was ended by its signal. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true
  if (!(error instanceof Error)) return false
  return error.name === 'AbortError' || error.cause === signal.reason
}

/** An error in a message: its class and text. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error, { depth: 0 })
}

/** JSON with sorted keys: equal for equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}

/** Values in a message: the first few, cut to a length that a person reads. */
export function shorten(values: readonly string[]): string {
  const shown = values.slice(0, 3).map((value) => (value.length > 100 ? `${value.slice(0, 100)}…` : value))
  return `${shown.join(', ')}${values.length > 3 ? ` and ${values.length - 3} more` : ''}`
}

/** How many files and sockets this process has open; undefined where that is unknown. */
export function openHandles(): number | undefined {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : undefined
}
