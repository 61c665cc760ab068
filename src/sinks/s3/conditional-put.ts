import { randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ProbeResult } from '../../component.ts'
import { isAfterLostAnswer } from '../../s3/lost-answers.ts'
import { s3Error, s3Facts } from '../../s3/errors.ts'
import type { S3Destination } from './destination.ts'
import { objectParams } from './params.ts'
import { storageParams } from './storage.ts'
import { PROBE } from './trials.ts'
import { abortLost } from './unfinished-uploads.ts'

export interface ProbeOptions {
  readonly client: S3Client
  /** An object beside which the probe writes. The object itself is never touched. */
  readonly destination: S3Destination
  /** Probes a multipart upload: some stores honour conditions of single puts only. */
  readonly inParts: boolean
  readonly signal: AbortSignal
}

/**
 * Asks for a tiny object of a new name, on the condition that it replaces one with a certain
 * ETag. No such object exists, so a store that honours conditions refuses: nothing is left, and no
 * right to delete is needed. A store that ignores conditions makes the object, which is deleted.
 *
 * On Amazon S3 this condition, unlike `If-None-Match`, needs `s3:GetObject`: without that right the
 * answer is 403 and says nothing.
 * @throws SluiceError SINK_UNAVAILABLE
 */
export async function probeConditionalPut(options: ProbeOptions): Promise<ProbeResult> {
  const destination = { ...options.destination, key: besideOf(options.destination.key) }
  const probe = { ...options, destination }
  const operation = options.inParts ? 'CompleteMultipartUpload' : 'PutObject'
  try {
    const made = await (options.inParts ? completeIfMatch(probe) : putIfMatch(probe))
    return { refusesOverwrite: false, ...(await remove(probe, made.VersionId)) }
  } catch (error) {
    const { status, code } = s3Facts(error)
    if (status === 412 || status === 304 || (status === 404 && code !== 'NoSuchBucket' && code !== 'NoSuchUpload')) {
      return { refusesOverwrite: true }
    }
    const failure = s3Error(error, { operation, bucket: destination.bucket })
    // Another process has swept the upload.
    if (failure.retryable || code === 'NoSuchUpload') throw failure
    if (status === 501)
      return { refusesOverwrite: false, note: `the store does not know conditions: ${failure.message}` }
    return { note: `no answer to the conditional put: ${failure.message}` }
  }
}

type Probe = Pick<ProbeOptions, 'client' | 'destination' | 'signal'>

async function putIfMatch({ client, destination, signal }: Probe): Promise<Made> {
  const request = { ...objectParams(destination), ...storageParams(destination), Body: '\n', IfMatch: NO_ETAG }
  return client.send(new PutObjectCommand(request), { abortSignal: signal })
}

async function completeIfMatch({ client, destination, signal }: Probe): Promise<Made> {
  const object = objectParams(destination)
  const options = { abortSignal: signal }
  const created = await client.send(
    new CreateMultipartUploadCommand({ ...object, ...storageParams(destination) }),
    options,
  )
  if (isAfterLostAnswer(created)) await abortLost(client, destination, signal, created.UploadId)
  const upload = { ...object, UploadId: created.UploadId }
  let isComplete = false
  try {
    const part = { ...upload, PartNumber: 1, Body: '\n' }
    const { ETag } = await client.send(new UploadPartCommand(part), options)
    const parts = { MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] }, IfMatch: NO_ETAG }
    const made = await client.send(new CompleteMultipartUploadCommand({ ...upload, ...parts }), options)
    isComplete = true
    return made
  } finally {
    if (!isComplete) await Promise.allSettled([client.send(new AbortMultipartUploadCommand(upload), limited())])
  }
}

interface Made {
  readonly VersionId?: string | undefined
}

/** Deletes the object that should not have been made: in a versioned bucket, its only version. */
async function remove({ client, destination }: Probe, version: string | undefined): Promise<Pick<ProbeResult, 'note'>> {
  const { bucket, key } = destination
  const request = { ...objectParams(destination), ...(version !== undefined && { VersionId: version }) }
  const [deleted] = await Promise.allSettled([client.send(new DeleteObjectCommand(request), limited())])
  if (deleted.status === 'fulfilled') return {}
  const { message } = s3Error(deleted.reason, { operation: 'DeleteObject', bucket })
  return { note: `the probe left the object ${key} in bucket ${bucket}, delete it: ${message}` }
}

function besideOf(key: string): string {
  return `${key.slice(0, key.lastIndexOf('/') + 1)}${PROBE}${randomBytes(6).toString('hex')}`
}

function limited() {
  return { abortSignal: AbortSignal.timeout(5000) }
}

/** The ETag of no object. */
const NO_ETAG = '"00000000000000000000000000000000"'
