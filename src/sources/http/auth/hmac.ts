import { createHash, createHmac } from 'node:crypto'
import type { PreparedRequest } from '../transport/request.ts'
import { basicOf } from './authorizer.ts'
import type { HmacAuth } from './fields.ts'
import type { Clock } from '../../../clock.ts'

/** Placeholders of the text to sign. */
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

/**
 * Signs requests with HMAC. URL parameters are sent exactly as they are signed: sorted, with every
 * character but letters, digits and `-._~` percent-encoded in upper case.
 */
export function createSigner(
  { key, username, algorithm, encoding, sign, header, value, date: dateHeader }: HmacAuth,
  time: Clock,
): {
  readonly sign: (request: PreparedRequest) => PreparedRequest
  readonly secrets: string[]
} {
  return {
    secrets: [key],
    sign(request) {
      const url = new URL(request.url)
      const query = canonicalQuery(url.searchParams)
      url.search = query
      const { method, body = '' } = request
      const date = writeDate(new Date(time.now()), dateHeader.format)
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
      const basic = basicOf(username, signature)
      const signed = fill(value, { ...values, signature, basic })
      return {
        ...request,
        url,
        headers: { ...request.headers, [dateHeader.header.toLowerCase()]: date, [header.toLowerCase()]: signed },
      }
    },
  }
}

/** What the braces of a text enclose. `{{` is a literal brace. */
export function placeholdersIn(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([all, name = '']) => (all === '{{' ? [] : [name]))
}

const PLACEHOLDER = /\{\{|\{([^{}]*)\}?/g

function fill(text: string, values: { readonly [name: string]: string }): string {
  return text.replaceAll(PLACEHOLDER, (all, name: string) => (all === '{{' ? '{' : (values[name] ?? all)))
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

function writeDate(now: Date, format: HmacAuth['date']['format']): string {
  const written: { readonly [Format in typeof format]: string } = {
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
