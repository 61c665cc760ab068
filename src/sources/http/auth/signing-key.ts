import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SluiceError } from '../../../errors.ts'
import { isObject } from '../../../record/json/json.ts'
import { parseJson } from '../transport/json-values.ts'
import type { KeyAuth } from './fields.ts'

/** A private key that signs assertions (RFC 7523). */
export interface SigningKey {
  readonly key: KeyObject
  readonly header: { readonly [name: string]: string } & { readonly alg: string }
  /** The account that the file of a Google service account names. */
  readonly issuer: string | undefined
}

/**
 * The configured key: PEM, a JWK, or the JSON file of a Google service account. Undefined if none is
 * configured.
 * @throws SluiceError CONFIG_INVALID
 */
export function readSigningKey(auth: KeyAuth): SigningKey | undefined {
  const { key: text, keyFile, algorithm, certificate } = auth
  if (text === undefined && keyFile === undefined) return undefined
  const source = text ?? readFile(keyFile ?? '', 'keyFile')
  const value = parseJson(source)
  const json = isObject(value) ? value : {}
  const pem = textOf(json['private_key'])
  const key = parseKey(pem ?? source, 'kty' in json ? json : undefined, text === undefined ? 'keyFile' : 'key')
  const keyId = auth.keyId ?? textOf(json['private_key_id']) ?? textOf(json['kid'])
  return {
    key,
    header: {
      alg: algorithmOf(key, algorithm),
      typ: 'JWT',
      ...(keyId === undefined ? {} : { kid: keyId }),
      ...(certificate === undefined ? {} : thumbprintsOf(certificate)),
    },
    issuer: textOf(json['client_email']),
  }
}

function parseKey(pem: string, jwk: object | undefined, name: string): KeyObject {
  try {
    if (jwk !== undefined) return createPrivateKey({ key: { ...jwk }, format: 'jwk' })
    return createPrivateKey(withLines(pem))
  } catch {
    throw new SluiceError('CONFIG_INVALID', `auth.${name} is not a private key`, {
      hint: 'PEM (BEGIN PRIVATE KEY) without a passphrase, a JWK, or the JSON file of a Google service account',
    })
  }
}

/**
 * PEM as OpenSSL reads it. In a variable it often has lost its line breaks (`\n`, spaces), or is in
 * quotation marks or indented.
 */
function withLines(pem: string): string {
  const text = pem.replaceAll(/\\r|\r/g, '').replaceAll(String.raw`\n`, '\n')
  const [, name, body = ''] = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----([\w+/=\s]+)-----END \1-----/.exec(text) ?? []
  if (name === undefined) return text
  return `-----BEGIN ${name}-----\n${body.trim().replaceAll(/\s+/g, '\n')}\n-----END ${name}-----\n`
}

/**
 * The configured algorithm, or the most common one for a kind of key.
 * @throws SluiceError CONFIG_INVALID if the key cannot sign so.
 */
function algorithmOf(key: KeyObject, configured: string | undefined): string {
  const { asymmetricKeyType = '', asymmetricKeyDetails } = key
  const curve = asymmetricKeyType === 'ec' ? (asymmetricKeyDetails?.namedCurve ?? '') : asymmetricKeyType
  const [usual, ...others] = ALGORITHMS.get(curve) ?? []
  if (usual === undefined)
    throw new SluiceError('CONFIG_INVALID', `keys of the type ${curve} cannot sign assertions`, {
      hint: 'use an RSA, P-256, P-384, P-521 or Ed25519 key',
    })
  if (configured === undefined || configured === usual || others.includes(configured)) return configured ?? usual
  throw new SluiceError('CONFIG_INVALID', `a key of the type ${curve} cannot sign with ${configured} (algorithm)`, {
    hint: `remove algorithm, or use ${usual}`,
  })
}

/** The algorithms of each kind of key, the most common one first. */
const ALGORITHMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['rsa', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['rsa-pss', ['PS256', 'PS384', 'PS512']],
  ['prime256v1', ['ES256']],
  ['secp384r1', ['ES384']],
  ['secp521r1', ['ES512']],
  ['ed25519', ['EdDSA']],
])

/** Identifies the certificate of the key, as Microsoft Entra needs it (RFC 7515, 4.1.7). */
function thumbprintsOf(path: string): { readonly [name: string]: string } {
  try {
    const { fingerprint, fingerprint256 } = new X509Certificate(readFile(path, 'certificate'))
    return { x5t: base64url(fingerprint), 'x5t#S256': base64url(fingerprint256) }
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('CONFIG_INVALID', 'auth.certificate is not a certificate (PEM)')
  }
}

function base64url(fingerprint: string): string {
  return Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url')
}

function readFile(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new SluiceError('FILE_NOT_FOUND', `${path} (auth.${name}) cannot be read`)
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
