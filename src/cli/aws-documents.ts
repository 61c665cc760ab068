import type { ArgumentsCamelCase } from 'yargs'
import { allPipelines } from '../config/find-pipeline.ts'
import { loadPipeline, type LoadOptions } from '../config/load.ts'
import type { Problem } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { accessesOf, textsOf, type S3Access } from '../inspect/iam/access.ts'
import { bucketPolicies, identityPolicies, lifecycles, trustPolicies } from '../inspect/iam/documents.ts'
import type { AwsDocument } from '../inspect/iam/documents.ts'
import type { Use } from '../inspect/iam/rights.ts'
import { printJson, say, writeRendered } from '../observe/output.ts'
import { plural } from '../observe/report.ts'
import { hideInJson } from '../observe/secrets.ts'
import { fileSource } from './options.ts'

/** The options of `sluice describe` for documents. */
export interface DocumentArguments {
  component: string
  pipeline: string[] | undefined
  json: boolean
  iam: boolean
  'bucket-policy': boolean
  'trust-policy': boolean
  lifecycle: boolean
  for: Use
  backfill: string[] | undefined
  'kms-key': string[] | undefined
  principal: string | undefined
  set: string[] | undefined
}

type Arguments = ArgumentsCamelCase<DocumentArguments>

/**
 * Prints the documents for AWS that the command line asks for: each as JSON on stdout, so that it can be
 * given to `aws`, and what it belongs to on stderr. Returns false if it asks for none.
 * @throws SluiceError USAGE, CONFIG_INVALID, PIPELINE_NOT_FOUND
 */
export async function printAwsDocuments(args: Arguments): Promise<boolean> {
  const { component, pipeline = [], json, for: use, principal, kmsKey = [] } = args
  const wanted = WANTED.filter((name) => args[name])
  if (wanted.length === 0) {
    const alone = (['backfill', 'kmsKey', 'principal', 'set'] as const).find((name) => args[name] !== undefined)
    if (alone !== undefined) {
      throw new SluiceError('USAGE', `${spelled(alone)} has no effect without a document to print`, {
        hint: 'add --iam, --bucket-policy, --trust-policy or --lifecycle',
      })
    }
    if (pipeline.length === 0) return false
    throw new SluiceError('USAGE', `describe ${component} takes no pipeline`, {
      hint: `sluice describe s3 --iam ${pipeline.join(' ')} prints the rights that it needs`,
    })
  }
  if (wanted.length > 1) {
    throw new SluiceError('USAGE', `${wanted.map(spelled).join(' and ')} are different documents`, {
      hint: 'print one at a time',
    })
  }
  if (component !== 's3') {
    throw new SluiceError('USAGE', `${spelled(wanted[0])} is of s3, and not of ${component}`, {
      hint: `sluice describe s3 ${spelled(wanted[0])}`,
    })
  }
  for (const key of kmsKey) checkKey(key)
  const names = pipeline.length === 0 ? await allPipelines() : pipeline
  const accesses = await loadAccesses(names, args)
  const documents = {
    iam: () => identityPolicies(accesses, use, kmsKey),
    bucketPolicy: () => bucketPolicies(accesses, use, principal),
    trustPolicy: () => trustPolicies(accesses, principal),
    lifecycle: () => lifecycles(accesses),
  }[wanted[0]]()
  if (documents.length === 0) {
    throw new SluiceError('USAGE', `${names.join(', ')}: nothing is needed for --for ${use}`, {
      hint: 'only sinks are written, verified and have unfinished uploads',
    })
  }
  if (json) printJson(documents)
  else {
    for (const { of, document } of documents) {
      if (documents.length > 1 || !of.startsWith('the identity')) say(`${spelled(wanted[0])} of ${of}:`)
      printJson(document)
    }
  }
  say(...notesOn(wanted[0], { accesses, documents, use, kmsKeys: kmsKey }))
  return true
}

const WANTED = ['iam', 'bucketPolicy', 'trustPolicy', 'lifecycle'] as const
type Wanted = (typeof WANTED)[number]

/** `--bucket-policy` */
function spelled(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function checkKey(key: string): void {
  if (/^arn:[^:]+:kms:[^:]+:\d{12}:key\/./.test(key)) return
  throw new SluiceError('USAGE', `--kms-key ${key} is not the ARN of a KMS key`, {
    hint: 'for example arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  })
}

async function loadAccesses(
  names: readonly string[],
  { backfill = [], set, for: use }: Arguments,
): Promise<S3Access[]> {
  const options: LoadOptions = { mode: 'check', parts: ['source', 'sinks'], set: set ?? [] }
  const found: S3Access[] = []
  for (const name of names) {
    const own = await loadOne(name, options)
    // A worker reads what the coordinator has divided, and never the source of a pipeline.
    found.push(...own.filter(({ kind }) => kind === 'sink' || use !== 'worker'))
    if (backfill.length === 0) continue
    const ofBackfill = await loadOne(name, { ...options, source: fileSource(backfill, undefined) })
    found.push(...ofBackfill.filter(({ kind }) => kind === 'source'))
  }
  if (found.length > 0) return found
  throw new SluiceError('USAGE', `${names.join(', ')}: no s3 source, and no s3 sink`, {
    hint: 'rights in S3 are for pipelines that read or write there; --backfill s3://… adds what a backfill reads',
  })
}

/** A variable that is not set matters only where it is a part of a policy: an API key is not needed. */
async function loadOne(name: string, options: LoadOptions): Promise<S3Access[]> {
  const { pipeline, problems } = await loadPipeline(name, options)
  if (pipeline === undefined) {
    const errors = problems.filter(({ severity }) => severity === 'error')
    await show(errors)
    throw new SluiceError('CONFIG_INVALID', `${plural(errors.length, 'error')} in ${name}`)
  }
  const accesses = await accessesOf(pipeline)
  const unset = problems.filter(({ message }) => UNSET.test(message))
  if (unset.length > 0 && accesses.some((access) => textsOf(access).some((text) => /\bunset\b/.test(text)))) {
    await show(unset.filter(({ text = '' }) => /\b(bucket|path|key|arn|kmsKeyId|region|externalId)\b|s3:/.test(text)))
    throw new SluiceError('CONFIG_INVALID', `a bucket, key or role of ${name} is not known`, {
      hint: 'set the variable that names it, or give the value: --set sink.bucket=audit',
    })
  }
  return accesses
}

/** See `interpolate`: the placeholder is `unset`. */
const UNSET = /^the environment variable \S+ is not set|^the file .* cannot be read/

async function show(problems: readonly Problem[]): Promise<void> {
  const { renderProblems } = await import('../config/render.ts')
  writeRendered(process.stderr, await renderProblems(problems, process.stderr))
}

interface Printed {
  readonly accesses: readonly S3Access[]
  readonly documents: readonly AwsDocument[]
  readonly use: Use
  readonly kmsKeys: readonly string[]
}

/** What the reader of a document must know and cannot see in it. */
function notesOn(wanted: Wanted, { accesses, documents, use, kmsKeys }: Printed): string[] {
  const notes: string[] = []
  if (wanted === 'iam' && use === 'worker' && accesses.every(({ kind }) => kind === 'sink')) {
    notes.push('note: workers also read what a backfill reads from S3: add it with --backfill s3://…')
  }
  if (wanted === 'iam' && kmsKeys.length === 0) {
    notes.push('note: if a bucket encrypts with a KMS key by default, add it: --kms-key ARN')
  }
  if (wanted === 'iam' && documents.some(({ document }) => JSON.stringify(document).length > MANAGED_POLICY)) {
    notes.push(
      `note: a managed policy has at most ${MANAGED_POLICY} characters without spaces: print one for each pipeline`,
    )
  }
  if (wanted === 'iam' || wanted === 'bucketPolicy') {
    if (accesses.some(({ bucket }) => bucket.startsWith('arn:'))) {
      notes.push('note: the bucket of an access point must allow the same, or delegate to its access points')
    }
    if (accesses.some(({ bucket }) => bucket.endsWith('-s3alias'))) {
      notes.push('note: policies do not know aliases of access points: write the ARN of the access point as bucket')
    }
    if (accesses.some(({ isAmazon }) => !isAmazon)) {
      notes.push('note: an S3-compatible store may know only a part of these rights and conditions')
    }
  }
  if (JSON.stringify(hideInJson(documents)) !== JSON.stringify(documents)) {
    notes.push('note: *** hides a value that may be secret, such as an external id of the environment: replace it')
  }
  if (wanted === 'bucketPolicy' || wanted === 'lifecycle') {
    notes.push('note: AWS replaces what the bucket has: add its other statements or rules first')
  }
  return notes
}

/** Characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MANAGED_POLICY = 6144
