import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { parse } from 'yaml'
import type { CheckedPipeline, CheckedRoute } from '../../config/pipeline.ts'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import type { PipelineGraph, RouteNode } from './shape.ts'

/**
 * Reads what to draw. Values are shown as they are written in the file, so that no variable and no
 * content of a file gets into a picture. Only options that never hold a secret are shown.
 */
export async function graphOf(pipeline: CheckedPipeline): Promise<PipelineGraph> {
  const { name, description, source, transforms, sinks, routes, rejects, rejectOptions } = pipeline
  const written = await readWritten(pipeline)
  const names = sinks.map((sink) => sink.name)
  const stages = itemsOf(written['transforms'])
  const writtenSinks = membersOf(written['sinks'])
  const sinkOf = (sink: string): Members => membersOf(writtenSinks[sink] ?? written['sink'])
  const ofRejects = membersOf(written['rejects'])
  return {
    name,
    description,
    source: { name: source.stage, title: titleOf(source, 'source'), details: placesOf(membersOf(written['source'])) },
    transforms: transforms.map((transform, at) => ({
      name: transform.stage,
      title: transform.stage,
      details: optionsOf(transform.declaration.type, membersOf(stages[at])),
    })),
    routes: routes === undefined ? [] : routeNodes(routes.routes, routes.others, names),
    sinks: sinks.map((sink) => ({
      name: sink.name,
      title: sinks.length === 1 ? titleOf(sink, 'sink') : `${sink.name} (${sink.declaration.type})`,
      details: placesOf(sinkOf(sink.name)),
    })),
    rejects: {
      title: 'rejects',
      details: [
        ...(rejectOptions.local > 0 ? ['in the state folder'] : []),
        ...(rejects === undefined ? [] : [`copies: ${[rejects.declaration.type, ...placesOf(ofRejects)].join(' ')}`]),
      ],
    },
  }
}

type Members = { readonly [name: string]: Json | undefined }

async function readWritten({ folder, file, name }: CheckedPipeline): Promise<Members> {
  const value: Json = parse(await readFile(join(folder, `${name}${extname(file)}`), 'utf8'))
  return membersOf(value)
}

function titleOf({ stage }: { readonly stage: string }, kind: string): string {
  return stage.split('/').at(-1) === kind ? stage : `${kind}: ${stage}`
}

function membersOf(value: Json | undefined): Members {
  return isObject(value) ? value : {}
}

function itemsOf(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : []
}

/** Where a source reads, or a sink writes. */
function placesOf(config: Members): string[] {
  const { path, bucket, key, services } = config
  const url = membersOf(config['request'])['url'] ?? config['url']
  const places = [path].flat().filter((one) => typeof one === 'string')
  if (typeof bucket === 'string') places.push(`s3://${bucket}${typeof key === 'string' ? `/${key}` : ''}`)
  else if (typeof key === 'string' && places.length > 0) places.push(key)
  if (typeof url === 'string') places.push(addressOf(url))
  if (isList(services)) places.push(`services: ${services.filter((one) => typeof one === 'string').join(', ')}`)
  return places
}

/** Without user, password, query and fragment, in which a secret may be. */
function addressOf(url: string): string {
  return url.replace(/[?#][^]*$/, '').replace(/^([^/]*\/\/)[^/]*@/, '$1')
}

/** The options that say most about a transform. None of them holds a secret. */
const SHOWN: { readonly [type: string]: readonly string[] } = {
  validate: ['schema'],
  redact: ['preset'],
  dedup: ['key'],
  filter: ['keep', 'drop', 'where'],
  remove: ['paths'],
  keep: ['paths'],
  parse: ['path', 'format'],
  split: ['path'],
  lookup: ['file'],
  ocsf: ['vendor', 'mapping'],
}

function optionsOf(type: string, config: Members): string[] {
  return (SHOWN[type] ?? []).flatMap((name) => {
    const value = config[name]
    return value === undefined ? [] : [`${name}: ${textOf(value)}`]
  })
}

function textOf(value: Json): string {
  if (typeof value === 'string') return value
  if (isList(value) && value.every((item) => typeof item === 'string')) return value.join(', ')
  return JSON.stringify(value)
}

function routeNodes(
  routes: readonly CheckedRoute[],
  others: readonly string[] | 'drop' | 'reject',
  sinks: readonly string[],
): RouteNode[] {
  const indexes = (names: readonly string[]): number[] => names.map((name) => sinks.indexOf(name))
  const nodes = routes.map(({ when, where, to }, at): RouteNode => {
    const conditions = when.map((condition) =>
      Object.entries(condition)
        .map(([path, test]) => `${path}: ${typeof test === 'string' ? test : JSON.stringify(test)}`)
        .join(' and '),
    )
    const details = [
      ...conditions.map((condition, number) => (number === 0 ? condition : `or ${condition}`)),
      ...(where === undefined ? [] : [conditions.length === 0 ? where : `and ${where}`]),
    ]
    return {
      title: `route ${at + 1}`,
      details: details.length === 0 ? ['all records'] : details,
      to: indexes(to),
    }
  })
  const takesAll = routes.some(({ when, where }) => when.length === 0 && where === undefined)
  if (takesAll) return nodes
  const rest: RouteNode =
    typeof others === 'string'
      ? { title: 'no route', details: [others === 'drop' ? 'dropped' : 'rejected: UNROUTED'], to: others }
      : { title: 'no route', details: [], to: indexes(others) }
  return [...nodes, rest]
}
