import { randomBytes } from 'node:crypto'
import { S3Error } from './protocol/errors.ts'
import type { Credentials } from './protocol/signature.ts'
import { writeXml } from './protocol/xml.ts'

export interface Role {
  readonly arn: string
  /** If absent, any external id, or none, is accepted. */
  readonly externalId?: string
  /** Lifetime of the credentials in seconds, regardless of the request. Default: 3600. */
  readonly sessionSeconds?: number
}

/** The long-term keys, and the temporary keys that AssumeRole has returned. */
export class Keyring {
  readonly #keys = new Map<string, Credentials>()
  readonly #role: Role | undefined

  constructor(longTerm: readonly Credentials[], role: Role | undefined) {
    for (const key of longTerm) this.#keys.set(key.accessKeyId, key)
    this.#role = role
  }

  readonly find = (accessKeyId: string): Credentials | undefined => this.#keys.get(accessKeyId)

  add(key: Credentials): void {
    this.#keys.set(key.accessKeyId, key)
  }

  /** From now on the key is refused. */
  remove(accessKeyId: string): void {
    this.#keys.delete(accessKeyId)
  }

  /**
   * Answers the form of an AssumeRole call as XML.
   *
   * @throws S3Error AccessDenied for another role or external id, ValidationError for a form that
   *   lacks a field
   */
  assumeRole(form: URLSearchParams): string {
    if (form.get('Action') !== 'AssumeRole') throw new S3Error('NotImplemented', 'Only AssumeRole is implemented')
    const session = form.get('RoleSessionName') ?? ''
    const arn = form.get('RoleArn') ?? ''
    if (!/^[\w+=,.@-]{2,64}$/.test(session) || arn === '') {
      throw new S3Error('ValidationError', 'RoleArn and RoleSessionName are required')
    }
    const role = this.#role
    const externalIdFits = role?.externalId === undefined || role.externalId === form.get('ExternalId')
    if (role?.arn !== arn || !externalIdFits) {
      throw new S3Error('AccessDenied', `User is not authorized to perform: sts:AssumeRole on resource: ${arn}`)
    }
    const credentials = this.#issue(role)
    return writeXml(
      'AssumeRoleResponse',
      {
        AssumeRoleResult: {
          AssumedRoleUser: { AssumedRoleId: `AROATEST:${session}`, Arn: `${arn}/${session}` },
          Credentials: {
            AccessKeyId: credentials.accessKeyId,
            SecretAccessKey: credentials.secretAccessKey,
            SessionToken: credentials.sessionToken,
            Expiration: credentials.expiration,
          },
        },
      },
      stsNamespace,
    )
  }

  #issue({ sessionSeconds = 3600 }: Role): Credentials {
    const credentials = {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(48).toString('base64'),
      expiration: new Date(Date.now() + sessionSeconds * 1000),
    }
    this.#keys.set(credentials.accessKeyId, credentials)
    return credentials
  }
}

export function stsErrorXml(error: S3Error, requestId: string): string {
  const type = error.status < 500 ? 'Sender' : 'Receiver'
  return writeXml(
    'ErrorResponse',
    { Error: { Type: type, Code: error.code, Message: error.message }, RequestId: requestId },
    stsNamespace,
  )
}

const stsNamespace = 'https://sts.amazonaws.com/doc/2011-06-15/'
