import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../component.ts'
import { REJECTS } from '../delivery/state/rows.ts'
import { closest, suggest } from '../fields/suggest.ts'
import { pipelineFields } from './pipeline-fields.ts'
import type { CheckedRoute, CheckedRoutes, Problem } from './pipeline.ts'
import { isIncomplete, locationAt, nodeAt, problemAt } from './yaml-location.ts'
import type { Keys, LocatedMap } from './yaml-location.ts'

type Top = Config<typeof pipelineFields>

/** Reports a problem at the keys of the pipeline file. */
type Report = (keys: Keys, message: string, hint: string, severity?: Problem['severity']) => void

/** Checks that a pipeline has `sink` or `sinks`, and that the names of sinks can be used in the state. */
export function checkSinkNames(node: LocatedMap, problems: Problem[]): void {
  const report = reporter(node, problems)
  const sinks = node.entries.get('sinks')?.value
  if (node.entries.has('sink') && sinks) {
    const hint = 'move it into `sinks`; under the name `sink`, what still waits for it is published'
    report(['sink'], 'a pipeline has either `sink` or `sinks`', hint)
  }
  const isMistyped = [...node.entries.keys()].some((key) => !(key in pipelineFields) && closest(key, ['sink', 'sinks']))
  if (!node.entries.has('sink') && !sinks && !isMistyped)
    report([], 'the pipeline is missing the key "sink"', 'sink: Where records are written. For several: sinks')
  for (const [name, { key: location }] of sinks?.kind === 'map' ? sinks.entries : []) {
    if (name === REJECTS) {
      const message = `a sink cannot be called ${REJECTS}: rejected records have a section of their own`
      problems.push(problemAt(location, message, { hint: 'give the sink another name' }))
    } else if (!SINK_NAME.test(name)) {
      const hint = 'use up to 64 letters, digits, "_" and "-", and start with a letter'
      problems.push(problemAt(location, `"${name}" is not a valid name of a sink`, { hint }))
    }
  }
}

/** In object rows, reports and messages. */
const SINK_NAME = /^[A-Za-z][\w-]{0,63}$/

/**
 * Checks the routes of a pipeline. Returns undefined if it has none: every sink then gets every record.
 */
export function checkRoutes(node: LocatedMap, top: Top, problems: Problem[]): CheckedRoutes | undefined {
  const report = reporter(node, problems)
  const { routes: written, default: others, unrouted } = top
  if (!written) {
    for (const key of ['default', 'unrouted'])
      if (node.entries.has(key)) report([key], `${key} has no effect without routes`, `add routes, or remove ${key}`)
    return undefined
  }
  const sinks = node.entries.get('sinks')?.value
  if (sinks?.kind !== 'map') {
    report(
      ['routes'],
      'routes choose among `sinks`, and this pipeline has none',
      'name the sinks of the pipeline: sinks',
    )
    return undefined
  }
  const routes = written.map(({ when, where, onError, to }): CheckedRoute => {
    return { when: [when ?? []].flat(), where, onError, to: [to].flat() }
  })
  checkConditions(routes, report)
  checkReach(routes, report)
  checkOthers(node, routes, report)
  checkTargets(node, { routes, others: [others ?? []].flat(), sinks: [...sinks.entries.keys()] }, report)
  return { routes, others: others === undefined ? unrouted : [others].flat() }
}

function reporter(node: LocatedMap, problems: Problem[]): Report {
  return (keys, message, hint, severity = 'error') => {
    if (keys.length > 0 && isIncomplete(nodeAt(node, keys))) return
    problems.push(problemAt(locationAt(node, keys), message, { hint, severity }))
  }
}

function checkConditions(routes: readonly CheckedRoute[], report: Report): void {
  for (const [at, { when, where, onError }] of routes.entries()) {
    if (where === undefined && onError !== 'reject')
      report(['routes', at, 'onError'], 'onError has no effect without where', 'remove it', 'warning')
    if (!when.some((condition) => Object.keys(condition).length === 0)) continue
    const hint = 'add a test, or leave `when` out: a route without it takes every record that reaches it'
    report(['routes', at, 'when'], `a condition of routes[${at}] has no tests, so it would match every record`, hint)
  }
}

/** A route gets only what no earlier one takes. */
function checkReach(routes: readonly CheckedRoute[], report: Report): void {
  for (const [at, route] of routes.entries()) {
    const earlier = routes.slice(0, at)
    const all = earlier.findIndex(takesAll)
    const same = earlier.findIndex((one) => isCovered(route, one))
    if (all >= 0) {
      const hint = `move routes[${all}] to the end, or give it a \`when\``
      report(['routes', at], `no record reaches routes[${at}]: routes[${all}] has no condition and takes all`, hint)
    } else if (same >= 0) {
      const hint = `the first route that takes a record decides: list all of its sinks in \`to\` of routes[${same}]`
      report(['routes', at], `no record reaches routes[${at}]: routes[${same}] has the same condition`, hint)
    }
  }
}

function takesAll({ when, where }: CheckedRoute): boolean {
  return when.length === 0 && where === undefined
}

/** True if an earlier route has the same condition, or one of which this is a part. */
function isCovered({ when, where }: CheckedRoute, earlier: CheckedRoute): boolean {
  if (where !== earlier.where || (when.length === 0) !== (earlier.when.length === 0)) return false
  return when.every((condition) => earlier.when.some((one) => isDeepStrictEqual(one, condition)))
}

function checkOthers(node: LocatedMap, routes: readonly CheckedRoute[], report: Report): void {
  const all = routes.findIndex(takesAll)
  for (const key of ['default', 'unrouted']) {
    if (all < 0 || !node.entries.has(key)) continue
    report([key], `${key} has no effect: routes[${all}] has no condition and takes all`, `remove ${key}`)
  }
  if (node.entries.has('default') && node.entries.has('unrouted'))
    report(['unrouted'], 'unrouted has no effect: default takes what no route takes', 'remove one of the two')
}

interface Targets {
  readonly routes: readonly CheckedRoute[]
  readonly others: readonly string[]
  readonly sinks: readonly string[]
}

function checkTargets(node: LocatedMap, { routes, others, sinks }: Targets, report: Report): void {
  const check = (keys: Keys, names: readonly string[]): void => {
    const isList = nodeAt(node, keys)?.kind === 'list'
    for (const [at, name] of names.entries()) {
      if (!sinks.includes(name))
        report(isList ? [...keys, at] : keys, `the pipeline has no sink "${name}"`, suggest(name, sinks, 'sinks'))
    }
  }
  for (const [at, { to }] of routes.entries()) check(['routes', at, 'to'], to)
  check(['default'], others)
  const used = new Set([...routes.flatMap(({ to }) => to), ...others])
  for (const name of sinks) {
    if (used.has(name)) continue
    const hint = `add ${name} to a route or to \`default\`, or remove it`
    report(['sinks', name], `no route leads to the sink ${name}: it gets no records`, hint, 'warning')
  }
}
