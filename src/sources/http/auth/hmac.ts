import { createHash, createHmac } from 'node:crypto'
import type { AuthOptions } from '../options.ts'
import type { PreparedRequest } from '../transport/request.ts'

/** What a text to be signed can hold. */
export const signedNames = [
  'date',
  'method',
  'host',
  'path',
  'query',
  'body',
  'bodySha256',
  'bodySha512',
  'username',
] as const

type DateFormat = 'rfc2822' | 'rfc3339' | 'unix' | 'unixMs'

/**
 * Signs requests with HMAC. The parameters are sent as they are signed: by name, every character but letters, digits and `-._~`
 * percent-encoded in capitals.
 */
export function createSigner(auth: AuthOptions): {
  readonly sign: (request: PreparedRequest) => PreparedRequest
  readonly secrets: string[]
} {
  const { algorithm = 'sha256', encoding = 'hex', username = '', key = '', sign = '' } = auth
  const { header = 'authorization', date: { header: dateHeader = 'date', format = 'rfc2822' } = {} } = auth
  const value = auth.value ?? 'Basic {basic}'

  return {
    secrets: [key],
    sign(request) {
      const url = new URL(request.url)
      const query = canonicalQuery(url.searchParams)
      url.search = query
      const { method, body = '' } = request
      const date = writeDate(new Date(), format)
      const values = {
        date,
        method,
        host: url.host.toLowerCase(),
        path: url.pathname,
        query,
        body,
        bodySha256: hash('sha256', body),
        bodySha512: hash('sha512', body),
        username,
      }
      const signature = createHmac(algorithm, key).update(fill(sign, values)).digest(encoding)
      const basic = Buffer.from(`${username}:${signature}`).toString('base64')
      const signed = fill(value, { ...values, signature, basic })
      return {
        ...request,
        url,
        headers: { ...request.headers, [dateHeader.toLowerCase()]: date, [header.toLowerCase()]: signed },
      }
    },
  }
}

/** The names between braces in a text to be signed. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
}

const PLACEHOLDER = /\{(\w+)\}/g

function fill(text: string, values: { readonly [name: string]: string }): string {
  return text.replaceAll(PLACEHOLDER, (all, name: string) => values[name] ?? all)
}

function canonicalQuery(parameters: URLSearchParams): string {
  return [...parameters]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&')
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function writeDate(now: Date, format: DateFormat): string {
  const written: { readonly [Format in DateFormat]: string } = {
    rfc2822: now.toUTCString().replace('GMT', '-0000'),
    rfc3339: now.toISOString(),
    unix: String(Math.floor(now.getTime() / 1000)),
    unixMs: String(now.getTime()),
  }
  return written[format]
}

function hash(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest('hex')
}
