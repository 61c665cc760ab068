import { listPipelines, PIPELINE_NAME } from '../../config/find-pipeline.ts'
import { listShipped } from '../../config/shipped.ts'
import { builtIns } from '../../registry.ts'

/** Shells that have a script for completion. */
export const SHELLS = ['bash', 'zsh', 'fish']

/** Options that take a value. Those that name a file or folder, and texts, have no candidates here. */
const WITH_VALUE =
  /^--(alive|backfill|code|concurrency|count|env-file|file|filter|for|format|from|host|junit|keep|kms-key|limit|log-format|log-level|max-lag|metrics|metrics-partitions|metrics-token-file|name|out|pages|partition|port|principal|queue|records|report|schedule|set|shard|shard-size|since|stage|state|time-zone|tls-cert|tls-key|to|token-file|ui-port|until|where|without|workers)$/

/**
 * What may stand in the place of the last word: commands, options, names of pipelines, components.
 * Empty where the shell completes paths.
 * @param words of the command line, without `sluice`
 * @param known the commands, options and choices that the parser knows at this place
 */
export async function candidates(words: readonly string[], known: Promise<readonly string[]>): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const before = words.at(-2) ?? ''
  if (before === '--from') return listShipped()
  if (WITH_VALUE.test(before)) return []
  if (current.startsWith('-')) return (await known).filter((word) => word.startsWith('-'))
  const given = positionals(words.slice(0, -1))
  const [command = '', ...args] = given
  if (command === '') return [...(await known)]
  if (ALL_PIPELINES.has(command)) return pipelinesBut(args)
  if (ONE_PIPELINE.has(command)) return args.length === 0 ? pipelinesBut([]) : []
  if (command === 'runs' && args[0] === 'list') return []
  if (GROUPS.has(command) && args.length > 0) return args.length === 1 ? pipelinesBut([]) : []
  if (command === 'describe') {
    if (args.length > 0) return pipelinesBut(args.slice(1))
    return [...new Set(builtIns.map(({ type }) => type))]
  }
  if (command === 'completion') return args.length === 0 ? SHELLS : []
  if (command === 'init' || args.length > 0) return []
  return (await known).filter((word) => !word.startsWith('-'))
}

const ALL_PIPELINES = new Set(['run', 'reload', 'check', 'test', 'graph'])
const ONE_PIPELINE = new Set(['backfill', 'preview', 'verify', 'top', 'tap'])
const GROUPS = new Set(['state', 'rejects', 'runs'])

function positionals(words: readonly string[]): string[] {
  return words.filter((word, at) => !word.startsWith('-') && !WITH_VALUE.test(words[at - 1] ?? ''))
}

/** Shells expand candidates: no name of a file reaches them that could be more than a word. */
async function pipelinesBut(given: readonly string[]): Promise<string[]> {
  return (await listPipelines()).filter((name) => PIPELINE_NAME.test(name) && !given.includes(name))
}
