import { JsonChecker } from './json-checker.ts'
import { DEFAULT_SEPARATORS, parseKeyValues } from './key-values.ts'
import type { Separators } from './key-values.ts'
import type { Parsed } from './pairs.ts'
import { parseQuery } from './query.ts'

export interface FormatConfig {
  readonly format: 'json' | 'keyValue' | 'query'
  readonly pairSeparator?: string | undefined
  readonly keySeparator?: string | undefined
}

/** Parses texts, in order. */
export type Format = (texts: readonly string[]) => readonly Parsed[]

/** @param maxDepth How deeply a value may be nested. */
export function createFormat(config: FormatConfig, maxDepth: number): Format {
  if (config.format === 'json') {
    const checker = new JsonChecker(maxDepth)
    return (texts) => checker.check(texts)
  }
  const separators = separatorsOf(config)
  const parse = (text: string) => (config.format === 'query' ? parseQuery(text) : parseKeyValues(text, separators))
  return (texts) => texts.map(parse)
}

export function separatorsOf({ pairSeparator, keySeparator }: FormatConfig): Separators {
  return { pairs: pairSeparator ?? DEFAULT_SEPARATORS.pairs, keys: keySeparator ?? DEFAULT_SEPARATORS.keys }
}
