import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import type { S3Client } from '@aws-sdk/client-s3'
import { learnSecret } from '../observe/secrets.ts'
import { HOUR, SECOND } from '../time.ts'
import type { CredentialHandler } from './credential-handler.ts'
import { credentialsError, s3Facts } from './errors.ts'
import { sdkLogger } from './sdk-logger.ts'

export interface AssumeRole {
  readonly arn: string
  readonly externalId?: string | undefined
  readonly sessionName?: string | undefined
}

interface CredentialOptions {
  readonly region: string
  readonly assumeRole?: AssumeRole | undefined
  readonly maxAttempts: number
  readonly requestHandler: CredentialHandler
}

interface Identity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** The SDK asks again before. */
  readonly expiration?: Date
}

/**
 * The credentials of a client. The SDK renews those that expire. Those without an end, such as the keys
 * in a profile, it would keep as long as the process runs: we read them again every hour, and when
 * the store refuses them.
 */
export class StoreCredentials {
  readonly #options: CredentialOptions
  #current: Identity | undefined
  /** True if the source of the credentials does not say when they end. */
  #isStatic = false
  #lookedAt = -Infinity

  constructor(options: CredentialOptions) {
    this.#options = options
  }

  /** For the SDK. @throws SluiceError an error of credentials as such: it is not a refusal by the store. */
  readonly provide = async (): Promise<Identity> => {
    try {
      return this.#use(await this.#read())
    } catch (error) {
      // The file may be half-written.
      if (this.#isStatic && this.#current !== undefined) return this.#use(withoutEnd(this.#current))
      throw credentialsError(error, this.#options.assumeRole?.arn)
    }
  }

  /** Sends requests that the store refuses once more, if there are other credentials by then. */
  renewIn(client: S3Client): void {
    client.middlewareStack.add(
      (send) => async (request) => {
        try {
          return await send(request)
        } catch (error) {
          if (!(await this.#isRenewedAfter(error))) throw error
          return send(request)
        }
      },
      // Before the SDK takes the credentials of the request.
      { step: 'initialize', name: 'renewCredentials' },
    )
  }

  /** Each time from the files: the SDK remembers what it has read. */
  #read(): Promise<Identity> {
    const { assumeRole, region, maxAttempts, requestHandler } = this.#options
    const own = fromNodeProviderChain({ logger: sdkLogger, clientConfig: { requestHandler }, ignoreCache: true })
    if (assumeRole === undefined) return own()
    const { arn, externalId, sessionName = 'sluice' } = assumeRole
    return fromTemporaryCredentials({
      logger: sdkLogger,
      masterCredentials: own,
      params: {
        RoleArn: arn,
        RoleSessionName: sessionName,
        ...(externalId !== undefined && { ExternalId: externalId }),
      },
      clientConfig: { region, maxAttempts, requestHandler },
    })()
  }

  #use(found: Identity): Identity {
    learnSecret(found.secretAccessKey)
    if (found.sessionToken !== undefined) learnSecret(found.sessionToken)
    this.#isStatic = found.expiration === undefined
    this.#current = this.#isStatic ? { ...found, expiration: new Date(Date.now() + READ_EVERY) } : found
    return this.#current
  }

  async #isRenewedAfter(failure: unknown): Promise<boolean> {
    const { code, status } = s3Facts(failure)
    // A response to HEAD has no code.
    const isVague = status === 403 && this.#isStatic && !code.startsWith('AccessDenied')
    if (!REFUSED.has(code) && !isVague) return false
    const used = this.#current
    if (used === undefined || performance.now() - this.#lookedAt < LOOK_EVERY) return false
    this.#lookedAt = performance.now()
    const found = await this.#read().catch(() => undefined)
    if (found === undefined || isSame(found, used)) return false
    // The SDK asks for the credentials again.
    used.expiration?.setTime(0)
    return true
  }
}

/** Milliseconds. The SDK asks again 5 minutes before. */
const READ_EVERY = HOUR
/** Milliseconds between two looks after refusals: there may be many at once. */
const LOOK_EVERY = SECOND

/** What S3 and STS say of keys and tokens that they do not accept, or not any more. */
const REFUSED: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
])

function withoutEnd({ expiration: _expiration, ...identity }: Identity): Identity {
  return identity
}

function isSame(a: Identity, b: Identity): boolean {
  return a.accessKeyId === b.accessKeyId && a.secretAccessKey === b.secretAccessKey && a.sessionToken === b.sessionToken
}
