import type { Static } from 'typebox'
import { Choice, ExistingFile, FilePath, Secret } from '../../../fields/fields.ts'
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
const clientSecret = Type.Optional(
  Secret({ description: 'With `oauth2…`: the client secret. Set it, or `key`, or `keyFile`.' }),
)

const tokenFields = {
  tokenUrl: Type.String({ plain: true, description: 'With `oauth2…`: URL of the token endpoint.' }),
  clientAuth: Type.Optional(
    Choice(['client_secret_basic', 'client_secret_post', 'private_key_jwt'], {
      description:
        'With `oauth2…`: how the client identifies itself. Default: `client_secret_basic` (a header), or `private_key_jwt` with a key. `client_secret_post` sends the secret in the body.',
    }),
  ),
  scope: Type.Optional(
    Type.String({ plain: true, description: 'With `oauth2…`: requested scopes, separated by spaces.' }),
  ),
  parameters: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        'With `oauth2…`: further parameters of the request for a token, such as `audience` or `resource`. With `oauth2ClientCredentials` also `grant_type`, as Zoom needs it.',
    }),
  ),
  key: Type.Optional(
    Secret({
      description:
        'With `oauth2…`: private key that signs assertions, as PEM or JWK. For `oauth2JwtBearer`, and for `private_key_jwt`.',
    }),
  ),
  keyFile: Type.Optional(
    ExistingFile({
      description:
        'With `oauth2…`: file with the private key, instead of `key`. Also the JSON file of a Google service account, which names the issuer too.',
    }),
  ),
  keyId: Type.Optional(
    Type.String({
      minLength: 1,
      plain: true,
      description: 'With `oauth2…`: id of the key (`kid`), if the server needs it.',
    }),
  ),
  algorithm: Type.Optional(
    Choice(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'], {
      description: 'With `oauth2…`: how the key signs. Default: RS256 for an RSA key, else that of its curve.',
    }),
  ),
  certificate: Type.Optional(
    ExistingFile({
      description:
        'With `oauth2…`: certificate of the key (PEM), for servers that identify the key by it, such as Entra.',
    }),
  ),
  audience: Type.Optional(
    Type.String({
      minLength: 1,
      plain: true,
      description: 'With `oauth2…`: audience of assertions (`aud`). Default: `tokenUrl`.',
    }),
  ),
}

const oauth2ClientCredentials = Type.Object({
  type: Type.Literal('oauth2ClientCredentials', { description: OAUTH }),
  clientId: Type.String({ plain: true, description: 'With `oauth2…`: the client id.' }),
  clientSecret,
  ...tokenFields,
})

const oauth2RefreshToken = Type.Object({
  type: Type.Literal('oauth2RefreshToken', { description: OAUTH }),
  clientId: Type.String({ plain: true, description: 'With `oauth2…`: the client id.' }),
  clientSecret,
  refreshToken: Secret({ description: 'With `oauth2RefreshToken`: the first refresh token.' }),
  tokenFile: FilePath({
    description:
      'With `oauth2RefreshToken`: file for the latest refresh token, for servers that rotate them. Readable by its owner only.',
  }),
  ...tokenFields,
})

const oauth2JwtBearer = Type.Object({
  type: Type.Literal('oauth2JwtBearer', { description: OAUTH }),
  clientId: Type.Optional(Type.String({ plain: true, description: 'Optional with `oauth2JwtBearer`.' })),
  clientSecret,
  issuer: Type.Optional(
    Type.String({
      minLength: 1,
      plain: true,
      description:
        'With `oauth2JwtBearer`: issuer of the assertion (`iss`). Default: the account that `keyFile` names.',
    }),
  ),
  subject: Type.Optional(
    Type.String({
      minLength: 1,
      plain: true,
      description: 'With `oauth2JwtBearer`: the user to act for (`sub`). Default: none.',
    }),
  ),
  claims: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description: 'With `oauth2JwtBearer`: further claims of the assertion.',
    }),
  ),
  ...tokenFields,
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

export const authFields = Type.Union(
  [apiKey, basic, bearer, oauth2ClientCredentials, oauth2RefreshToken, oauth2JwtBearer, hmac],
  {
    description: 'Credentials. They are sent only to the origin of `request.url`, and to `tokenUrl`.',
  },
)

/** The credentials of a source; `type` tells the alternatives apart. */
export type AuthOptions = Static<typeof authFields>
export type ApiKeyAuth = Static<typeof apiKey>
export type TokenAuth =
  Static<typeof oauth2ClientCredentials> | Static<typeof oauth2RefreshToken> | Static<typeof oauth2JwtBearer>
export type KeyAuth = Pick<TokenAuth, 'key' | 'keyFile' | 'keyId' | 'algorithm' | 'certificate'>
export type HmacAuth = Static<typeof hmac>
