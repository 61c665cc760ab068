import type { Finding } from '../../../component.ts'
import { asSluiceError } from '../../../errors.ts'
import { suggest } from '../../../fields/suggest.ts'
import { checkUrl } from '../check.ts'
import type { AuthOptions, HmacAuth, TokenAuth } from './fields.ts'
import { placeholdersIn, signedNames } from './hmac.ts'
import { readSigningKey } from './signing-key.ts'

export function* checkAuth(auth: AuthOptions | undefined, allowInsecure: boolean): Generator<Finding> {
  if (auth === undefined) return
  if (auth.type === 'apiKey' && (auth.header === undefined) === (auth.query === undefined))
    yield { at: ['auth'], message: 'an API key needs exactly one location', hint: 'set header or query' }
  if (auth.type === 'hmac') yield* checkPlaceholders(auth)
  if ('tokenUrl' in auth) yield* checkToken(auth)
  if ('tokenUrl' in auth && /[{}]/.test(auth.tokenUrl))
    yield { at: ['auth', 'tokenUrl'], message: 'tokenUrl has no placeholders', hint: 'write the URL without braces' }
  else if ('tokenUrl' in auth) yield* checkUrl(auth.tokenUrl, ['auth', 'tokenUrl'], allowInsecure)
}

/** Finds keys that need or exclude each other. */
function* checkToken(auth: TokenAuth): Generator<Finding> {
  const { type, clientSecret, clientAuth, key, keyFile, keyId, algorithm, certificate, audience } = auth
  const hasKey = key !== undefined || keyFile !== undefined
  const isAssertion = type === 'oauth2JwtBearer'
  if (key !== undefined && keyFile !== undefined)
    yield { at: ['auth', 'keyFile'], message: 'key and keyFile exclude each other', hint: 'remove one of them' }
  if (isAssertion && !hasKey) yield { at: ['auth'], message: `${type} needs key or keyFile: it signs an assertion` }
  if (type === 'oauth2ClientCredentials' && !hasKey && clientSecret === undefined)
    yield { at: ['auth'], message: `${type} needs clientSecret, key or keyFile` }
  if (!isAssertion && hasKey && clientSecret !== undefined)
    yield {
      at: ['auth', 'clientSecret'],
      message: 'clientSecret and a key exclude each other',
      hint: 'remove one of them',
    }
  if (clientAuth === 'private_key_jwt' && (!hasKey || isAssertion))
    yield {
      at: ['auth', 'clientAuth'],
      message: isAssertion ? `${type} identifies itself by its assertion` : 'private_key_jwt needs key or keyFile',
      hint: isAssertion ? 'remove clientAuth' : 'set one of them, or use clientSecret',
    }
  if (clientAuth !== undefined && clientAuth !== 'private_key_jwt' && clientSecret === undefined)
    yield { at: ['auth', 'clientAuth'], message: `${clientAuth} needs clientSecret` }
  if (isAssertion && clientSecret !== undefined && auth.clientId === undefined)
    yield { at: ['auth', 'clientSecret'], message: 'clientSecret needs clientId' }
  for (const [name, value] of Object.entries({ keyId, algorithm, certificate, audience })) {
    if (value !== undefined && !hasKey) yield { at: ['auth', name], message: `${name} needs key or keyFile` }
  }
  if (auth.type === 'oauth2JwtBearer' && auth.issuer === undefined && key !== undefined)
    yield { at: ['auth'], message: 'oauth2JwtBearer needs issuer', hint: 'the account that the key belongs to' }
  yield* checkParameters(auth)
  yield* checkKey(auth)
}

/** Parameters with a field of their own, and that field. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['assertion', 'type: oauth2JwtBearer'],
  ['client_assertion', 'key'],
  ['client_assertion_type', 'key'],
  ['client_id', 'clientId'],
  ['client_secret', 'clientSecret and clientAuth: client_secret_post'],
  ['refresh_token', 'refreshToken'],
  ['scope', 'scope'],
])

function* checkParameters({ type, parameters = {} }: TokenAuth): Generator<Finding> {
  for (const name of Object.keys(parameters)) {
    const field = RESERVED.get(name)
    if (field !== undefined)
      yield { at: ['auth', 'parameters', name], message: `${name} has a field of its own`, hint: `use ${field}` }
    if (name === 'grant_type' && type !== 'oauth2ClientCredentials')
      yield {
        at: ['auth', 'parameters', name],
        message: `the type ${type} sets grant_type`,
        hint: 'remove it, or use type: oauth2ClientCredentials',
      }
  }
}

/** Reads a key from its file. A key in a variable may not be set yet. */
function* checkKey(auth: TokenAuth): Generator<Finding> {
  const { keyFile, certificate } = auth
  if (keyFile === undefined) return
  try {
    const found = readSigningKey({ ...auth, key: undefined })
    if (auth.type === 'oauth2JwtBearer' && auth.issuer === undefined && found?.issuer === undefined)
      yield { at: ['auth'], message: 'oauth2JwtBearer needs issuer: keyFile does not name one' }
  } catch (error) {
    const { message, hint } = asSluiceError(error, 'CONFIG_INVALID', 'the key cannot be read')
    const at = message.includes('certificate') && certificate !== undefined ? 'certificate' : 'keyFile'
    yield { at: ['auth', at], message, ...(hint === undefined ? {} : { hint }) }
  }
}

function* checkPlaceholders({ sign, value }: HmacAuth): Generator<Finding> {
  const texts = [
    ['sign', sign, signedNames],
    ['value', value, [...signedNames, 'signature', 'basic']],
  ] as const
  for (const [key, text, names] of texts) {
    for (const name of placeholdersIn(text)) {
      if (!names.some((known) => known === name))
        yield {
          at: ['auth', key],
          message: `unknown placeholder {${name}}`,
          hint: `${suggest(name.trim(), names, 'placeholders')}; write {{ for a literal brace`,
        }
    }
  }
}
