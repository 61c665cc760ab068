import type { Static } from 'typebox'
import { Choice, FilePath, Secret } from '../../../fields/fields.ts'
import { Type } from '../../../fields/typebox.ts'

const apiKey = Type.Object({
  type: Type.Literal('apiKey', { description: '`apiKey`: a key in a header or the URL.' }),
  key: Secret({ description: 'With `apiKey`: the key.' }),
  header: Type.Optional(
    Type.String({ minLength: 1, description: 'With `apiKey`: name of the header. Set either `header` or `query`.' }),
  ),
  query: Type.Optional(Type.String({ minLength: 1, description: 'With `apiKey`: name of the URL parameter.' })),
  prefix: Type.String({
    default: '',
    description: 'With `apiKey`: text before the key in the header, such as `SSWS `.',
  }),
})

const basic = Type.Object({
  type: Type.Literal('basic', { description: '`basic`: a user name and password.' }),
  username: Type.String({ description: 'With `basic`: the user name.' }),
  password: Secret({ description: 'With `basic`: the password.' }),
})

const bearer = Type.Object({
  type: Type.Literal('bearer', { description: '`bearer`: a fixed token.' }),
  token: Secret({ description: 'With `bearer`: the token.' }),
})

const OAUTH = '`oauth2…`: access tokens from `tokenUrl`.'
const tokenUrl = Type.String({ plain: true, description: 'With `oauth2…`: URL of the token endpoint.' })
const clientId = Type.String({ plain: true, description: 'With `oauth2…`: the client id.' })
const scope = Type.Optional(
  Type.String({ plain: true, description: 'With `oauth2…`: requested scopes, separated by spaces.' }),
)

const oauth2ClientCredentials = Type.Object({
  type: Type.Literal('oauth2ClientCredentials', {
    description: OAUTH,
  }),
  tokenUrl,
  clientId,
  clientSecret: Secret({ description: 'With `oauth2…`: the client secret.' }),
  scope,
})

const oauth2RefreshToken = Type.Object({
  type: Type.Literal('oauth2RefreshToken', {
    description: OAUTH,
  }),
  tokenUrl,
  clientId,
  clientSecret: Type.Optional(Secret({ description: 'Optional with `oauth2RefreshToken`.' })),
  refreshToken: Secret({ description: 'With `oauth2RefreshToken`: the first refresh token.' }),
  tokenFile: FilePath({
    description:
      'With `oauth2RefreshToken`: file for the latest refresh token, for servers that rotate them. Readable by its owner only.',
  }),
  scope,
})

const hmac = Type.Object({
  type: Type.Literal('hmac', { description: '`hmac`: signed requests.' }),
  key: Secret({ description: 'With `hmac`: the signing key.' }),
  username: Type.String({ default: '', description: 'With `hmac`: the value of {username} and {basic}.' }),
  algorithm: Choice(['sha1', 'sha256', 'sha512'], { default: 'sha256', description: 'With `hmac`: the hash.' }),
  encoding: Choice(['hex', 'base64'], { default: 'hex', description: 'With `hmac`: encoding of the signature.' }),
  sign: Type.String({
    minLength: 1,
    template: true,
    description:
      'With `hmac`: text to sign: {date}, {method}, {host}, {path}, {query} (sorted, encoded), {body}, {bodySha256}, {bodySha512}, {username}. {{ is a literal brace.',
  }),
  header: Type.String({
    minLength: 1,
    default: 'Authorization',
    description: 'With `hmac`: name of the header that holds the signature.',
  }),
  value: Type.String({
    minLength: 1,
    template: true,
    default: 'Basic {basic}',
    description: 'With `hmac`: value of the header. Also has {signature}, and {basic} (username:signature in base64).',
  }),
  date: Type.Object(
    {
      header: Type.String({ minLength: 1, default: 'Date', description: 'Name of the header.' }),
      format: Choice(['rfc2822', 'rfc3339', 'unix', 'unixMs'], {
        default: 'rfc2822',
        description: 'Format of the time.',
      }),
    },
    { default: {}, description: 'With `hmac`: the header with the time of the request.' },
  ),
})

export const authFields = Type.Union([apiKey, basic, bearer, oauth2ClientCredentials, oauth2RefreshToken, hmac], {
  description: 'Credentials. They are sent only to the origin of `request.url`, and to `tokenUrl`.',
})

/** The credentials of a source; `type` tells the alternatives apart. */
export type AuthOptions = Static<typeof authFields>
export type ApiKeyAuth = Static<typeof apiKey>
export type TokenAuth = Static<typeof oauth2ClientCredentials> | Static<typeof oauth2RefreshToken>
export type HmacAuth = Static<typeof hmac>
