import { Type } from './typebox.ts'
import type { Finding } from '../component.ts'
import { isLoopback } from '../network/tls.ts'
import { Choice } from './fields.ts'

/** Fields of everything that talks to an S3 store: where it is, and as whom. */
export const storeFields = {
  region: Type.Optional(
    Type.String({
      plain: true,
      minLength: 1,
      description: 'Region of the bucket. Default: from the environment (AWS_REGION) or the profile.',
    }),
  ),
  endpoint: Type.Optional(
    Type.String({
      plain: true,
      minLength: 1,
      description: 'URL of an S3-compatible store, for example `http://127.0.0.1:9000`.',
    }),
  ),
  forcePathStyle: Type.Boolean({
    default: false,
    description: 'Puts the bucket name into the path, not into the host name. Most S3-compatible stores need it.',
  }),
  assumeRole: Type.Optional(
    Type.Object(
      {
        arn: Type.String({ plain: true, minLength: 20, description: 'ARN of the role.' }),
        externalId: Type.Optional(
          Type.String({ minLength: 2, description: 'External ID that the trust policy of the role requires.' }),
        ),
        sessionName: Type.Optional(
          Type.String({
            plain: true,
            pattern: '^[\\w+=,.@-]{2,64}$',
            description: 'Session name in the audit log of the account. Default: `sluice`.',
          }),
        ),
      },
      { description: 'Uses the credentials of this role, for example for a bucket in another account.' },
    ),
  ),
  expectedBucketOwner: Type.Optional(
    Type.String({
      plain: true,
      pattern: '^[0-9]{12}$',
      description: 'Account that must own the bucket; S3 refuses any other bucket. Quote it in YAML.',
    }),
  ),
  allowInsecure: Type.Boolean({
    default: false,
    description: 'Allows http:// to hosts other than this machine: anyone on the network can then read the records.',
  }),
  checksums: Choice(['when-supported', 'when-required'], {
    default: 'when-supported',
    description: 'When to send CRC32 checksums. Use `when-required` for stores that do not support them.',
  }),
}

/** Checks the endpoint of a store, to whose requests the name of the bucket is added. */
export function* endpointFindings(
  { endpoint, allowInsecure }: { readonly endpoint?: string | undefined; readonly allowInsecure: boolean },
  bucket: string,
): Generator<Finding> {
  if (endpoint === undefined) return
  const at = ['endpoint']
  if (!/^https?:\/\//.test(endpoint)) {
    yield { at, message: 'the endpoint is not an http or https URL', hint: `write https://${endpoint}` }
    return
  }
  if (!URL.canParse(endpoint)) {
    yield { at, message: 'the endpoint is not a URL', hint: 'write https://host or https://host:port' }
    return
  }
  const { protocol, hostname, host, pathname, search, hash, username, password } = new URL(endpoint)
  const hasUser = username !== '' || password !== ''
  if (protocol === 'http:' && !allowInsecure && !isLoopback(hostname) && !hasUser) {
    const message = `http://${hostname} is not https: anyone on the network could read the records`
    yield { at, message, hint: 'use https, or set allowInsecure: true' }
  }
  if (hasUser) {
    const hint = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and leave them out of the endpoint'
    yield { at, message: 'the endpoint has a user or a password, which S3 does not use', hint }
  } else if (search !== '' || hash !== '') {
    yield { at, message: 'the endpoint has a query or a fragment', hint: `write ${protocol}//${host}${pathname}` }
  } else if (pathname.split('/').findLast((part) => part !== '') === bucket) {
    const hint = `write ${protocol}//${host}${pathname.replace(/\/[^/]+\/?$/, '')}`
    yield { at, message: 'the endpoint ends with the name of the bucket, which is added to it', hint }
  } else if (hostname.startsWith(`${bucket}.`)) {
    const hint = `write ${protocol}//${host.slice(bucket.length + 1)}`
    const severity = hostname.endsWith('.amazonaws.com') ? 'error' : 'warning'
    yield { at, message: 'the endpoint begins with the name of the bucket, which is added to it', hint, severity }
  }
}
