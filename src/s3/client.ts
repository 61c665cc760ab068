import { S3Client } from '@aws-sdk/client-s3'
import { createAgents } from './agents.ts'
import { CredentialHandler } from './credential-handler.ts'
import { DiagnosingHandler } from './diagnosis.ts'
import { StoreCredentials } from './credentials.ts'
import type { AssumeRole } from './credentials.ts'
import { noteLostAnswers } from './lost-answers.ts'
import { observeClient } from './observe-requests.ts'
import type { StoreObserver } from './store-observer.ts'
import { sdkLogger } from './sdk-logger.ts'

// Otherwise the SDK prints its own warning about Node.js 20 in every command. `sluice check` has a
// notice of its own. The SDK offers no option in code: it reads this variable when it creates the
// first client.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

/** Location of an S3 bucket, as JSON: sinks store it in object rows. */
export interface S3Location {
  readonly region: string
  readonly endpoint?: string
  readonly forcePathStyle?: boolean
  readonly checksums?: Checksums
}

type Checksums = 'when-supported' | 'when-required'

export interface S3ClientOptions extends S3Location {
  /** Allows plain HTTP to hosts other than this machine. Default: false. */
  readonly allowInsecure?: boolean
  /**
   * Uses the credentials of this role, assumed with those of the default chain. Honours
   * `AWS_ENDPOINT_URL_STS`.
   */
  readonly assumeRole?: AssumeRole | undefined
  /**
   * Milliseconds for one request and its response. Default: 5 minutes, for 8 MiB over a slow line.
   */
  readonly requestTimeout?: number
  /** Milliseconds without a byte. Default: 1 minute. */
  readonly idleTimeout?: number
  /** Attempts of one request, including the first. Default: 8, which take about half a minute. */
  readonly maxAttempts?: number
  /** Gets each attempt of a request, also of those for credentials. */
  readonly observe?: StoreObserver | undefined
}

/**
 * A client with its own connections; call `destroy` when done. Credentials come from the default
 * chain: environment, shared files, SSO, web identity, container, instance.
 */
export function createS3Client(options: S3ClientOptions): S3Client {
  const checksums = options.checksums === 'when-required' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED'
  const credentialHandler = new CredentialHandler(options, { ...CREDENTIAL_LIMITS, ...createAgents() })
  const { region, assumeRole, maxAttempts = ATTEMPTS } = options
  const credentials = new StoreCredentials({ region, assumeRole, maxAttempts, requestHandler: credentialHandler })
  const client = new S3Client({
    region,
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    forcePathStyle: options.forcePathStyle ?? false,
    credentials: credentials.provide,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    maxAttempts,
    logger: sdkLogger,
    requestHandler: new DiagnosingHandler(options, {
      logger: sdkLogger,
      connectionTimeout: 10_000,
      requestTimeout: options.requestTimeout ?? 300_000,
      throwOnRequestTimeout: true,
      socketTimeout: options.idleTimeout ?? 60_000,
      ...createAgents(),
    }),
  })
  noteLostAnswers(client)
  credentials.renewIn(client)
  if (options.observe) observeClient(client, options.observe)
  const destroy = client.destroy.bind(client)
  client.destroy = () => {
    credentialHandler.destroy()
    destroy()
  }
  return client
}

/** For one request to STS or SSO. Its answer is short. In milliseconds. */
const CREDENTIAL_LIMITS = {
  connectionTimeout: 10_000,
  requestTimeout: 10_000,
  throwOnRequestTimeout: true,
}

const ATTEMPTS = 8

/**
 * Region and endpoint of a configuration. What it leaves out comes from where the SDK would take it:
 * the environment (`AWS_REGION`, `AWS_ENDPOINT_URL_S3`) or the profile. Undefined if none is set.
 */
export async function configuredLocation({
  region,
  endpoint,
}: {
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
}): Promise<{ readonly region: string | undefined; readonly endpoint: string | undefined }> {
  const client = new S3Client({})
  const { config } = client
  try {
    const [ofRegion, ofEndpoint] = await Promise.allSettled([config.region(), config.serviceConfiguredEndpoint?.()])
    return {
      region: region ?? (ofRegion.status === 'fulfilled' ? ofRegion.value : undefined),
      endpoint: endpoint ?? (ofEndpoint.status === 'fulfilled' ? ofEndpoint.value : undefined),
    }
  } finally {
    client.destroy()
  }
}
