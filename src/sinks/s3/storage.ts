import type { ObjectCannedACL, ServerSideEncryption, StorageClass } from '@aws-sdk/client-s3'
import type { Config, Finding } from '../../component.ts'
import { Choice } from '../../fields/fields.ts'
import { suggest } from '../../fields/suggest.ts'
import { Type } from '../../fields/typebox.ts'

/** Fields that say how the store keeps an object. */
export const storageFields = {
  acl: Type.Optional(
    Choice(
      [
        'private',
        'bucket-owner-full-control',
        'bucket-owner-read',
        'authenticated-read',
        'aws-exec-read',
        'public-read',
      ],
      {
        description:
          'Canned ACL, if the bucket has ACLs enabled. Use `bucket-owner-full-control` for a bucket in another account.',
      },
    ),
  ),
  serverSideEncryption: Type.Optional(
    Choice(['AES256', 'aws:kms', 'aws:kms:dsse'], {
      description: 'Encryption at rest. Default: the setting of the bucket.',
    }),
  ),
  kmsKeyId: Type.Optional(
    Type.String({ plain: true, minLength: 1, description: 'Key for `aws:kms`. Default: the key of the account.' }),
  ),
  storageClass: Type.Optional(
    Type.String({
      plain: true,
      pattern: '^[A-Za-z0-9_-]{1,64}$',
      description:
        'Storage class, such as `STANDARD_IA` or `INTELLIGENT_TIERING`; other stores have names of their own. Default: `STANDARD`.',
    }),
  ),
  tags: Type.Optional(
    Type.Record(Type.String(), Type.String({ plain: true }), {
      description:
        'Tags of every object, at most 10, for lifecycle rules, access and costs. Needs `s3:PutObjectTagging`.',
    }),
  ),
  metadata: Type.Optional(
    Type.Record(Type.String(), Type.String({ plain: true }), {
      description:
        'Metadata of every object, sent as `x-amz-meta-NAME`: at most 2 KB of printable ASCII. S3 turns names into lower case.',
    }),
  ),
}

/** How the store keeps an object, as JSON. */
export interface Storage {
  readonly acl?: ObjectCannedACL
  readonly serverSideEncryption?: ServerSideEncryption
  readonly kmsKeyId?: string
  readonly storageClass?: string
  readonly tags?: { readonly [name: string]: string }
  readonly metadata?: { readonly [name: string]: string }
}

type StorageConfig = Config<typeof storageFields>

/** The options that are set. */
export function storageOf(config: StorageConfig): Storage {
  const { acl, serverSideEncryption, kmsKeyId, storageClass, tags, metadata } = config
  return {
    ...(acl !== undefined && { acl }),
    ...(serverSideEncryption !== undefined && { serverSideEncryption }),
    ...(kmsKeyId !== undefined && { kmsKeyId }),
    ...(storageClass !== undefined && { storageClass }),
    ...(tags !== undefined && { tags }),
    ...(metadata !== undefined && { metadata }),
  }
}

/** Parameters of every call that creates an object. */
export function storageParams({ acl, serverSideEncryption, kmsKeyId, storageClass, tags, metadata }: Storage) {
  return {
    ContentType: 'application/x-ndjson',
    ...(acl && { ACL: acl }),
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stores have classes that the SDK does not list
    ...(storageClass !== undefined && { StorageClass: storageClass as StorageClass }),
    // Not every store takes a plus sign for a space.
    ...(tags && { Tagging: new URLSearchParams(tags).toString().replaceAll('+', '%20') }),
    ...(metadata && { Metadata: metadata }),
  }
}

/**
 * The classes in which Amazon S3 takes new objects of a general purpose bucket:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
 */
const CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
]
/** An object of these must be restored before it can be read. */
const ARCHIVED: ReadonlySet<string | undefined> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

/** Limits of Amazon S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const MAX_TAGS = 10
const MAX_TAG_NAME = 128
const MAX_TAG_VALUE = 256
const TAG = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/**
 * Bytes of all names and values:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */
const MAX_METADATA = 2048
/** A token of HTTP (RFC 9110, 5.6.2). */
const METADATA_NAME = /^[\w!#$%&'*+.^`|~-]+$/
/** Spaces at the ends are lost in a header. */
const METADATA_VALUE = /^(?! )[ -~]*(?<! )$/

/** Mistakes in the storage options of a sink. */
export function* storageFindings(config: StorageConfig & { readonly endpoint?: string }): Generator<Finding> {
  const { serverSideEncryption, kmsKeyId, storageClass, endpoint } = config
  if (kmsKeyId !== undefined && !serverSideEncryption?.startsWith('aws:kms')) {
    yield {
      at: ['kmsKeyId'],
      message: '`kmsKeyId` requires `serverSideEncryption: aws:kms`',
      hint: 'set serverSideEncryption: aws:kms',
    }
  }
  if (storageClass !== undefined && endpoint === undefined && !CLASSES.includes(storageClass)) {
    const hint = suggest(storageClass, CLASSES, 'storage classes')
    yield { at: ['storageClass'], message: `Amazon S3 has no storage class "${storageClass}" for new objects`, hint }
  }
  if (ARCHIVED.has(storageClass)) {
    yield {
      at: ['storageClass'],
      message: `objects in ${storageClass} cannot be read until they are restored, not by a SIEM, \`sluice verify\` or a backfill either`,
      hint: 'use GLACIER_IR, or let a lifecycle rule of the bucket archive older objects',
      severity: 'warning',
    }
  }
  yield* tagFindings(config.tags ?? {})
  yield* metadataFindings(config.metadata ?? {})
}

function* tagFindings(tags: NonNullable<StorageConfig['tags']>): Generator<Finding> {
  const names = Object.keys(tags)
  if (names.length > MAX_TAGS) {
    const message = `S3 takes ${MAX_TAGS} tags for an object, here are ${names.length}`
    yield { at: ['tags'], message, hint: 'join some, or put them into `metadata`' }
  }
  for (const [name, value] of Object.entries(tags)) {
    const at = ['tags', name]
    if (name === '') yield { at, message: 'a tag needs a name' }
    if (name.length > MAX_TAG_NAME) yield { at, message: `the name of a tag has at most ${MAX_TAG_NAME} characters` }
    if (value.length > MAX_TAG_VALUE)
      yield { at, message: `the value of a tag has at most ${MAX_TAG_VALUE} characters` }
    if (/^aws:/i.test(name)) yield { at, message: 'names of tags that begin with aws: belong to AWS' }
    if (!TAG.test(name) || !TAG.test(value)) {
      yield { at, message: 'a tag consists of letters, digits, spaces and _ . : / = + - @' }
    }
  }
}

function* metadataFindings(metadata: NonNullable<StorageConfig['metadata']>): Generator<Finding> {
  let bytes = 0
  const known = new Set<string>()
  for (const [name, value] of Object.entries(metadata)) {
    const at = ['metadata', name]
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
    const lower = name.toLowerCase()
    if (known.has(lower)) yield { at, message: `"${lower}" is there twice: S3 turns names into lower case` }
    known.add(lower)
    if (lower.startsWith('x-amz-meta-')) {
      const hint = `write "${name.slice('x-amz-meta-'.length)}"`
      yield { at, message: 'x-amz-meta- is added to the name', hint }
    } else if (!METADATA_NAME.test(name)) {
      yield { at, message: 'the name becomes a part of an HTTP header: it has letters, digits and hyphens' }
    }
    if (!METADATA_VALUE.test(value)) {
      yield { at, message: 'the value is sent in an HTTP header: it has printable ASCII, and no space at its ends' }
    }
  }
  if (bytes > MAX_METADATA) {
    yield { at: ['metadata'], message: `S3 takes ${MAX_METADATA} bytes of metadata for an object, here are ${bytes}` }
  }
}
