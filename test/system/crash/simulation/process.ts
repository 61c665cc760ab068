import { setImmediate } from 'node:timers/promises'
import type { Random } from '../support/random.ts'

/** Thrown by every operation of a process after its crash point. */
class Crash extends Error {
  constructor(operation: string) {
    super(`the process died at ${operation}`)
    this.name = 'Crash'
  }
}

export interface CrashPoint {
  /** Operations are counted from 1. */
  readonly operation: number
  readonly when: 'before' | 'after'
}

/**
 * A simulated process. Its operations on the environment are counted, and at the crash point it
 * dies: no later operation has an effect, although the code continues to run.
 */
export class Process {
  readonly operations: string[] = []
  readonly #point: CrashPoint | undefined
  readonly #random: Random | undefined
  #isDead = false

  /** @param random shuffles the order in which concurrent operations end. */
  constructor(point?: CrashPoint, random?: Random) {
    this.#point = point
    this.#random = random
  }

  get isDead(): boolean {
    return this.#isDead
  }

  async act<T>(name: string, effect: () => T): Promise<T> {
    if (this.#random?.chance(0.3) === true) await setImmediate()
    const result = this.actSync(name, effect)
    if (this.#random?.chance(0.3) === true) await setImmediate()
    if (this.#isDead) throw new Crash(name)
    return result
  }

  actSync<T>(name: string, effect: () => T): T {
    if (this.#isDead) throw new Crash(name)
    this.operations.push(name)
    const isLast = this.operations.length === this.#point?.operation
    if (isLast && this.#point.when === 'before') this.#die(name)
    const result = effect()
    if (isLast) this.#die(name)
    return result
  }

  /** For planted defects: counts an operation without doing it. */
  pretend(name: string): Promise<void> {
    return this.act(name, () => undefined)
  }

  #die(name: string): never {
    this.#isDead = true
    throw new Crash(name)
  }
}
