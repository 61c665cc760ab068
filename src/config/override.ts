import type { Keys, Located, LocatedMap, Location } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'
import type { Problem } from './pipeline.ts'
import { readYaml } from './read.ts'

/**
 * Applies `--set path=value` to a parsed pipeline: `sink.bucket=audit`, `transforms[0].mode=warn`,
 * `source.services=[sso, radius]`. The value is YAML. Creates missing maps along the path. Problems
 * with the value, including those found later, are located in the argument.
 */
export function override(root: LocatedMap, argument: string, problems: Problem[]): LocatedMap {
  const equals = argument.indexOf('=')
  const path = equals < 0 ? argument : argument.slice(0, equals)
  const location = { file: '--set', line: 1, column: 1, length: Math.max(1, path.length), text: argument }
  const steps = equals < 0 ? undefined : parseSteps(path, location)
  if (steps === undefined) {
    const hint = 'for example sink.bucket=audit or transforms[0].mode=warn'
    problems.push(problemAt(location, 'expected path=value', { hint }))
    return root
  }
  const value = readValue(argument, equals + 1, problems)
  if (value === undefined) return root
  const changed = put(root, steps, value)
  if (typeof changed === 'string') problems.push(problemAt(location, changed))
  return typeof changed === 'string' || changed.kind !== 'map' ? root : changed
}

/** Formats keys as in messages and `--set`: `transforms[0].mode`. */
export function keysText(keys: Keys): string {
  return keys.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    return text === '' ? key : `${text}.${key}`
  }, '')
}

interface OverrideStep {
  readonly key: string | number
  readonly location: Location
  /** The path before this step. */
  readonly parent: string
}

function parseSteps(path: string, whole: Location): OverrideStep[] | undefined {
  if (!/^[^.[\]=]+(\.[^.[\]=]+|\[\d+\])*$/.test(path)) return undefined
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([spelled, index], i, all) => ({
    key: index === undefined ? spelled : Number(index),
    location: { ...whole, column: all[i].index + 1, length: spelled.length },
    parent: path.slice(0, all[i].index).replace(/\.$/, '') || 'the pipeline',
  }))
}

function readValue(argument: string, from: number, problems: Problem[]): Located | undefined {
  const yaml = argument.slice(from)
  if (yaml.trim() !== '') return readYaml(yaml, { file: '--set', column: from, text: argument }, problems)
  const location = { file: '--set', line: 1, column: from + 1, length: 1, text: argument }
  return { kind: 'scalar', location, value: '' }
}

/**
 * Returns a copy of the node with the leaf at the end of the steps, or an error message if the path
 * does not fit.
 */
function put(node: Located | undefined, steps: readonly OverrideStep[], leaf: Located): Located | string {
  const [step, ...rest] = steps
  if (step === undefined) return leaf
  const { key, location, parent } = step
  if (typeof key === 'number') {
    if (node?.kind !== 'list') return `${parent} is not a list`
    if (key >= node.items.length) return `${parent} has ${node.items.length} entries, counted from 0`
    const item = put(node.items[key], rest, leaf)
    return typeof item === 'string' ? item : { ...node, items: node.items.with(key, item) }
  }
  if (node !== undefined && node.kind !== 'map') return `${parent} is not a map`
  const value = put(node?.entries.get(key)?.value, rest, leaf)
  if (typeof value === 'string') return value
  const entries = new Map([...(node?.entries ?? []), [key, { key: location, value }] as const])
  return { kind: 'map', location: node?.location ?? location, entries }
}
