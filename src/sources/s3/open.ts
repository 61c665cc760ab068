import { setMaxListeners } from 'node:events'
import type { InputExtent, PartsOptions, ReadOptions, Source, SourcePart } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { SluiceError } from '../../errors.ts'
import { configuredLocation, createS3Client } from '../../s3/client.ts'
import type { StoreObserver } from '../../s3/store-observer.ts'
import { systemClock } from '../../clock.ts'
import { recordsSetting } from '../content/records-setting.ts'
import type { S3SourceSettings } from './check.ts'
import { checkReadAccess } from './connect.ts'
import type { S3SourceConfig } from './fields.ts'
import type { KeyPattern } from './key-pattern.ts'
import { PathReader } from './path-reader.ts'
import type { OpenPath } from './path-reader.ts'
import { planPath } from './plan-parts.ts'
import { positionAfter, readParts } from './read-parts.ts'
import type { PathSettings } from './tasks.ts'
import { isS3Position } from './position.ts'
import { selectObjects } from './select-objects.ts'
import type { Store } from './store.ts'

/**
 * A source whose client is opened with each use, and closed after it.
 * @param open Opens the store that holds the bucket; a test of a pipeline gives another one.
 */
export function openS3Source(
  config: S3SourceConfig,
  settings: S3SourceSettings,
  open: OpenStore = openStoreWith(),
): Source {
  const { patterns, since, until } = settings
  const { format, records, keyAs, lookBack, lookBackEvery, versionId } = config
  const pathSettings: PathSettings = {
    content: { format, records: recordsSetting(records, keyAs) },
    since,
    until,
    lookBack,
    lookBackEvery,
    versionId,
  }
  const openBucket = (limits?: StoreLimits) => open(config, patterns[0], limits)
  const stores = new LingeringStore(openBucket)
  return {
    read: (options) => readPaths({ open: openBucket, poll: config.poll, patterns, settings: pathSettings }, options),
    parts: (options) => planPaths({ open: openBucket, patterns, settings: pathSettings }, options),
    readParts: (parts, options) => openParts(stores, pathSettings, parts, options),
    positionAfter: (parts) => positionAfter(parts, pathSettings),
    async *connect(signal) {
      // A store that is away is found out soon: nobody waits for it.
      const store = await openBucket({ maxAttempts: 2 })
      try {
        for (const pattern of patterns) yield* checkReadAccess(store, pattern, { since, until, versionId, signal })
      } finally {
        store.client.destroy()
      }
    },
    total: async () => (versionId === undefined ? sumBytes(openBucket, settings) : undefined),
  }
}

/** @param limits Fewer attempts than usual, where somebody waits. */
export type OpenStore = (config: S3SourceConfig, pattern: KeyPattern, limits?: StoreLimits) => Promise<Store>

interface StoreLimits {
  readonly maxAttempts?: number
}

interface Paths {
  readonly open: (limits?: StoreLimits) => Promise<Store>
  readonly patterns: readonly KeyPattern[]
  readonly settings: PathSettings
}

async function* readPaths(
  { open, poll, patterns, settings }: Paths & { readonly poll: number },
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const { signal, follow, clock = systemClock } = options
  setMaxListeners(0, signal)
  const store = await open()
  try {
    const readers = patterns.map(
      (one) => new PathReader(store, openPath(one, store, settings, options), settings, options),
    )
    for (;;) {
      for (const reader of readers) {
        yield* reader.read()
        if (signal.aborted) return
      }
      if (!follow) return
      await clock.sleep(poll, signal).catch(() => {})
      if (signal.aborted) return
    }
  } finally {
    store.client.destroy()
  }
}

async function* planPaths(
  { open, patterns, settings }: Paths,
  options: PartsOptions,
): AsyncGenerator<SourcePart, void> {
  setMaxListeners(0, options.signal)
  const store = await open()
  try {
    for (const pattern of patterns) {
      yield* planPath(store, openPath(pattern, store, settings, options), settings, options)
    }
  } finally {
    store.client.destroy()
  }
}

async function* openParts(
  stores: LingeringStore,
  settings: PathSettings,
  parts: readonly SourcePart[],
  options: ReadOptions,
): AsyncGenerator<AsyncIterable<Chunk>, void> {
  setMaxListeners(0, options.signal)
  try {
    const store = await stores.open()
    yield* readParts(store, parts, settings, options)
  } finally {
    stores.release()
  }
}

/**
 * Keeps its connections, and the credentials of a role, for the next shard. Nobody says which shard is
 * the last one.
 */
class LingeringStore {
  readonly #create: () => Promise<Store>
  #store: Promise<Store> | undefined
  #users = 0
  #timer: NodeJS.Timeout | undefined

  constructor(create: () => Promise<Store>) {
    this.#create = create
  }

  open(): Promise<Store> {
    clearTimeout(this.#timer)
    this.#users++
    this.#store ??= this.#create()
    this.#store.catch(() => (this.#store = undefined))
    return this.#store
  }

  release(): void {
    if (--this.#users > 0) return
    this.#timer = globalThis.setTimeout(() => void this.#close(), LINGER_MS)
    this.#timer.unref()
  }

  async #close(): Promise<void> {
    const store = await this.#store
    if (this.#users > 0) return
    this.#store = undefined
    store?.client.destroy()
  }
}

const LINGER_MS = 5000

/** A path with its committed position. */
function openPath(
  pattern: KeyPattern,
  store: Store,
  settings: PathSettings,
  { position }: Pick<ReadOptions, 'position'>,
): OpenPath {
  const partition = partitionOf(pattern, store, settings)
  const saved = position(partition)
  return { pattern, partition, saved: isS3Position(saved) ? saved : undefined }
}

/**
 * Names the path, and the store if it is not Amazon S3: equal keys of another store are other
 * objects.
 */
function partitionOf({ text }: KeyPattern, { endpoint }: Store, { versionId }: PathSettings): string {
  const version = versionId === undefined ? '' : ` version ${versionId}`
  return `${text}${version}${endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`}`
}

/** Opens the store of a configuration. @param observe gets each request */
export function openStoreWith(observe?: StoreObserver): OpenStore {
  return (config, pattern, limits) => openStore(config, pattern, { ...limits, observe })
}

async function openStore(
  config: S3SourceConfig,
  { bucket }: KeyPattern,
  limits: StoreLimits & { readonly observe: StoreObserver | undefined },
): Promise<Store> {
  const { forcePathStyle, checksums, allowInsecure, assumeRole, expectedBucketOwner, requesterPays, timeout } = config
  const { region, endpoint } = await configuredLocation(config)
  // S3-compatible stores have no regions, but the signature needs one.
  const signingRegion = region ?? (endpoint === undefined ? undefined : 'us-east-1')
  if (signingRegion === undefined) {
    throw new SluiceError('SOURCE_REFUSED', `no region for bucket ${bucket}: set \`region\` or AWS_REGION`)
  }
  const client = createS3Client({
    region: signingRegion,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle,
    checksums,
    allowInsecure,
    assumeRole,
    requestTimeout: timeout,
    idleTimeout: timeout,
    ...limits,
  })
  return { client, bucket, endpoint, expectedBucketOwner, requesterPays, timeout }
}

/** Undefined if it takes more than a few requests to find out: nobody waits for it. Reading reports errors. */
async function sumBytes(
  open: Paths['open'],
  { patterns, since, until }: S3SourceSettings,
): Promise<InputExtent | undefined> {
  const signal = AbortSignal.timeout(TOTAL_MS)
  let bytes = 0
  let objects = 0
  const store = await open({ maxAttempts: 1 }).catch(() => undefined)
  if (store === undefined) return undefined
  try {
    for (const pattern of patterns) {
      for await (const object of selectObjects(store, pattern, { since, until, signal })) {
        if (++objects > TOTAL_OBJECTS) return undefined
        bytes += object.bytes
      }
    }
    return { bytes }
  } catch {
    return undefined
  } finally {
    store.client.destroy()
  }
}

const TOTAL_MS = 3000
const TOTAL_OBJECTS = 5000
