import type { CheckedComponent, CheckedPipeline } from '../../config/pipeline.ts'
import { fixedFolder, fixedPrefix } from '../../delivery/outbox/partitioner.ts'
import { parseKeyTemplate } from '../../fields/key-template.ts'
import { isAmazon } from '../../sinks/s3/destination.ts'
import { CHECK } from '../../sinks/s3/trials.ts'
import { parseKeyPattern } from '../../sources/s3/key-pattern.ts'
import { literally } from './arn.ts'

/** What a component of a pipeline does in an S3 bucket. */
export interface S3Access {
  readonly kind: 'source' | 'sink'
  readonly bucket: string
  readonly region: string | undefined
  readonly isAmazon: boolean
  readonly role: { readonly arn: string; readonly externalId: string | undefined } | undefined
  /** Keys of objects, with wildcards, as in a policy. */
  readonly keys: readonly string[]
  /** Keys of the uploads with which a process tries a sink, unless they are among the others. */
  readonly trials: readonly string[]
  /** What lists begin with, with wildcards. Empty: it does not list. */
  readonly lists: readonly string[]
  /** The folder of all keys, with its slash; or nothing. */
  readonly folder: string
  /** Options of the sink that need a right of their own. */
  readonly options: { readonly acl: boolean; readonly tags: boolean; readonly versions: boolean }
  readonly encryption: { readonly key: string | undefined } | undefined
}

/** What the s3 components of a pipeline do. */
export async function accessesOf(pipeline: CheckedPipeline): Promise<S3Access[]> {
  const found: S3Access[] = []
  const { source, sinks, rejects } = pipeline
  if (source.declaration.type === 's3') found.push(await sourceAccess(source.config))
  for (const sink of [...sinks, rejects ?? []].flat()) {
    if (sink.declaration.type === 's3') found.push(await sinkAccess(sink.config, pipeline.name))
  }
  return found
}

type Config = CheckedComponent<unknown>['config']

async function sinkAccess(config: Config, pipeline: string): Promise<S3Access> {
  const template = parseKeyTemplate(textOf(config, 'key') ?? '')
  const folder = fixedFolder(template, pipeline)
  const prefix = fixedPrefix(template, pipeline)
  // Objects of a constant key are below it.
  const start = folder.startsWith(prefix) ? folder : prefix
  const encryption = textOf(config, 'serverSideEncryption')?.startsWith('aws:kms') === true
  return {
    kind: 'sink',
    ...(await storeOf(config)),
    bucket: textOf(config, 'bucket') ?? '',
    keys: [`${literally(start)}*`],
    // Such an upload is directly in the folder.
    trials: start === folder ? [] : [`${literally(folder)}${CHECK}*`],
    // S3 takes the key of an absent object for a list that begins with it.
    lists: [...(prefix === start ? [] : [literally(prefix)]), `${literally(start)}*`],
    folder,
    options: { acl: config['acl'] !== undefined, tags: config['tags'] !== undefined, versions: false },
    encryption: encryption ? { key: textOf(config, 'kmsKeyId') } : undefined,
  }
}

async function sourceAccess(config: Config): Promise<S3Access> {
  const paths = [config['path']].flat().filter((path) => typeof path === 'string')
  const patterns = paths.map(parseKeyPattern)
  const versions = config['versionId'] !== undefined
  // The key of one object may also be the name of a folder.
  const keys = patterns.flatMap(({ isExact, prefix }) =>
    isExact ? [literally(prefix), ...(versions ? [] : [`${literally(prefix)}/*`])] : [`${literally(prefix)}*`],
  )
  return {
    kind: 'source',
    ...(await storeOf(config)),
    bucket: patterns[0]?.bucket ?? '',
    keys,
    trials: [],
    lists: versions ? [] : keys,
    folder: '',
    options: { acl: false, tags: false, versions },
    encryption: undefined,
  }
}

async function storeOf(config: Config): Promise<Pick<S3Access, 'region' | 'isAmazon' | 'role'>> {
  // It loads the SDK.
  const { configuredLocation } = await import('../../s3/client.ts')
  const { region, endpoint } = await configuredLocation({
    region: textOf(config, 'region'),
    endpoint: textOf(config, 'endpoint'),
  })
  const { assumeRole } = config
  const role = typeof assumeRole === 'object' && assumeRole !== null ? { ...assumeRole } : undefined
  const arn = role && textOf(role, 'arn')
  return {
    region,
    isAmazon: isAmazon(endpoint === undefined ? {} : { endpoint }),
    role: role && arn !== undefined ? { arn, externalId: textOf(role, 'externalId') } : undefined,
  }
}

function textOf(config: Config, name: string): string | undefined {
  const value = config[name]
  return typeof value === 'string' ? value : undefined
}

/** All texts of the configuration that get into a policy. */
export function textsOf({ bucket, region, keys, lists, folder, role, encryption }: S3Access): string[] {
  const texts = [bucket, region, ...keys, ...lists, folder, role?.arn, role?.externalId, encryption?.key]
  return texts.filter((text) => text !== undefined)
}
