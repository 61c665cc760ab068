import { createHmac } from 'node:crypto'
import { basename } from 'node:path'
import type { TransformDeclaration } from '../component.ts'
import { hashCode } from '../config/code-hash.ts'
import { isCustom } from '../config/component-name.ts'
import { loadPipeline } from '../config/load.ts'
import type { LoadOptions } from '../config/load.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { readVersion } from '../package.ts'
import { withTimeLimits } from '../runtime/time-range.ts'
import type { TimeLimits } from '../runtime/time-range.ts'
import { configuredFiles } from './configured-files.ts'

/**
 * All that decides what a parallel backfill does, as JSON: each executor loads and checks the same
 * pipeline by itself, in its own environment. Only `set` can hold a secret.
 */
export interface Job extends TimeLimits {
  /** Name or path of the pipeline. */
  readonly pipeline: string
  readonly set: readonly string[]
  /** Replaces the pipeline's own source. */
  readonly source?: LoadOptions['source']
  readonly final: boolean
  readonly keepGoing: boolean
}

export interface LoadedJob {
  readonly pipeline: CheckedPipeline
  /** See `TransformContext.files`. */
  readonly files: ReadonlyMap<string, string>
}

/**
 * Loads the pipeline of a job in an executor.
 * @param expected Fingerprint of the coordinator's pipeline.
 * @throws SluiceError CONFIG_INVALID if the pipeline has problems here, or is another one
 */
export async function loadJob(job: Job, hashKey: Buffer, expected: string): Promise<LoadedJob> {
  const { pipeline, problems } = await loadPipeline(job.pipeline, {
    mode: 'run',
    set: job.set,
    ...(job.source && { source: job.source }),
  })
  if (pipeline === undefined) {
    const [first] = problems.filter(({ severity }) => severity === 'error')
    const place = first && `${first.file}:${first.line}: ${first.message}`
    throw new SluiceError('CONFIG_INVALID', `the pipeline ${job.pipeline} has errors in a worker: ${place}`, {
      hint: `run \`sluice check ${job.pipeline}\` where the worker runs, with its environment`,
    })
  }
  const complete = withTimeLimits(pipeline, job)
  const { fingerprint, files } = await identify(complete, hashKey)
  if (fingerprint === expected) return { pipeline: complete, files }
  const others = otherFiles(fingerprint, expected, [...files.keys()])
  if (others.length > 0) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `the pipeline ${pipeline.name} names a file that is another one in a worker: ${others.join(', ')}`,
      { hint: 'give all machines the same file, one that nothing updates during the run, and start it again' },
    )
  }
  throw new SluiceError(
    'CONFIG_INVALID',
    `the pipeline ${pipeline.name} is another one in a worker than where the run was started`,
    {
      hint: 'give the worker the same version of Sluice, pipeline file, schemas, tables, custom code and environment; a run whose file was edited meanwhile can be started again',
    },
  )
}

/**
 * Equal for two pipelines that do the same to records: version, configuration with its secrets, the
 * files that it names, custom code. Keyed, since it passes through places that others can read.
 */
export async function fingerprintOf(pipeline: CheckedPipeline, hashKey: Buffer): Promise<string> {
  return (await identify(pipeline, hashKey)).fingerprint
}

/** The fingerprint of a pipeline, and the contents of its files that are part of it. */
async function identify(pipeline: CheckedPipeline, hashKey: Buffer) {
  const { name, folder, source, transforms, sinks, routes, rejects, rejectOptions, limits } = pipeline
  const describe = async ({ declaration, config, stage, name: sink }: Component) => {
    const { type } = declaration
    const code = isCustom(type)
      ? await hashCode(type, folder)
      : declaration.code?.(config, { pipeline: name, folder, stage })
    return { type, stage, config, sink, ...(code !== undefined && { code }) }
  }
  const written = [...sinks, ...(rejects ? [rejects] : [])].map(withoutContent)
  const components = await Promise.all([...transforms, ...written].map(describe))
  // Its parts say what they expect of each input.
  const input = JSON.stringify(await describe(source))
  const facts = { version: readVersion(), name, input, components, routes, rejectOptions, limits }
  const files = await configuredFiles(components)
  const digest = (text: string) => createHmac('sha256', hashKey).update(text).digest('hex')
  // The project may be in another folder of another machine.
  const withoutFolder = (_key: string, value: unknown) =>
    typeof value === 'string' && files.has(value) ? `file ${[...files.keys()].indexOf(value)}` : value
  const contents = [...files.values()].map((content) => digest(content))
  return { fingerprint: [digest(JSON.stringify(facts, withoutFolder)), ...contents].join(SEPARATOR), files }
}

/** Between the digests of a fingerprint: that of the configuration, and one of each file. */
const SEPARATOR = '.'

/** The names of the files that differ, if nothing else does. */
function otherFiles(fingerprint: string, expected: string, files: readonly string[]): string[] {
  const [own, ...contents] = fingerprint.split(SEPARATOR)
  const [wanted, ...theirs] = expected.split(SEPARATOR)
  if (own !== wanted || contents.length !== theirs.length) return []
  return files.filter((_, at) => contents[at] !== theirs[at]).map((file) => basename(file))
}

interface Component {
  readonly declaration: Pick<TransformDeclaration, 'type' | 'code'>
  readonly config: { readonly [key: string]: unknown }
  readonly stage: string
  /** Of a sink. */
  readonly name?: string
}

/** What is at the path of a sink changes while shards are executed: there it is the path that counts. */
function withoutContent({ config, ...component }: Component): Component {
  return { ...component, config: 'path' in config ? { ...config, path: `to ${String(config.path)}` } : config }
}
