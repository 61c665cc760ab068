import type { Level } from './info.ts'
import { isMessageCode, levelOf, textOf } from './table.ts'
import type { Fact, Facts, MessageArguments } from './table.ts'

/** A line of the log, without its time and its run. */
export interface Line {
  readonly level: Level
  /** A message of the table. */
  readonly code: string
  /** The stage that it is about, if it is about one. */
  readonly stage?: string | undefined
  readonly message: string
  readonly facts: { readonly [name: string]: Fact }
}

/** The line of a message of the table. */
export function lineOf(...[code, given = {}]: MessageArguments): Line {
  return made(code, given)
}

/**
 * The line of a `note` of a component: built-ins name a message of the table, custom code writes text of
 * its own.
 */
export function componentLine(text: string, given: Facts, stage: string): Line {
  return isMessageCode(text) ? made(text, given, stage) : made('component.note', { text, ...given }, stage)
}

function made(code: Parameters<typeof textOf>[0], given: Facts, stage?: string): Line {
  const known = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] satisfies [string, Fact]],
  )
  const facts = Object.fromEntries(known)
  const about = typeof facts['stage'] === 'string' ? facts['stage'] : stage
  return { level: levelOf(code), code, stage: about, message: textOf(code, facts), facts }
}
