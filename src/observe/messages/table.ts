import { deliveryMessages } from './delivery.ts'
import type { Level, MessageInfo } from './info.ts'
import { runMessages } from './run.ts'
import { shardMessages } from './shards.ts'
import { sourceMessages } from './source.ts'

/**
 * Every message of the log, by its code. `docs/log.md` is generated from this table. A code is never
 * renamed: alerts and searches name it.
 *
 * To add a message, add a row to the file of its area, call `note` with its code and its facts, and run
 * `npm run generated`. Facts are never content of a record. What the bus has a message of its own for
 * is logged by `src/observe/log-lines.ts`.
 */
export const messages = { ...runMessages, ...sourceMessages, ...deliveryMessages, ...shardMessages } as const

type Messages = typeof messages

export type MessageCode = keyof Messages

export type Fact = string | number | boolean

export interface Facts {
  readonly [name: string]: Fact | undefined
}

type Declared<Code extends MessageCode> = Messages[Code] extends { readonly facts: infer Names }
  ? keyof Names & string
  : never

/** The facts of a message, by the names in the table. */
type FactsOf<Code extends MessageCode> = {
  readonly [Name in Exclude<Declared<Code>, `${string}?`>]: Fact
} & {
  readonly [Name in Declared<Code> as Name extends `${infer Optional}?` ? Optional : never]?: Fact | undefined
}

/** A message and its facts, as arguments. */
export type MessageArguments = {
  [Code in MessageCode]: [Exclude<Declared<Code>, `${string}?`>] extends [never]
    ? [code: Code, facts?: FactsOf<Code>]
    : [code: Code, facts: FactsOf<Code>]
}[MessageCode]

/** Logs one message of the table. Never pass a record's content. */
export type Note = (...message: MessageArguments) => void

export function isMessageCode(text: string): text is MessageCode {
  return Object.hasOwn(messages, text)
}

function infoOf(code: MessageCode): MessageInfo {
  return messages[code]
}

export function levelOf(code: MessageCode): Level {
  return messages[code].level
}

/** The text of a message. */
export function textOf(code: MessageCode, facts: Facts): string {
  return infoOf(code).text.replaceAll(PLACE, (place, name: string) => String(facts[name] ?? place))
}

/** The facts that the text of a message does not have, in their order. */
export function factsBeside(code: MessageCode, facts: Facts): [string, Fact][] {
  const { text, isSummary = false } = infoOf(code)
  if (isSummary) return []
  const named = new Set([...text.matchAll(PLACE)].map(([, name]) => name))
  return Object.entries(facts).flatMap(([name, value]) =>
    value === undefined || named.has(name) ? [] : [[name, value] satisfies [string, Fact]],
  )
}

const PLACE = /\{(\w+)\}/g
