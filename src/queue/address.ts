import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { RedisOptions } from 'ioredis'
import { SluiceError, systemCode } from '../errors.ts'
import { MINUTE, SECOND } from '../time.ts'
import { parseDuration } from '../fields/units.ts'
import { suggest } from '../fields/suggest.ts'
import { addSecret } from '../observe/secrets.ts'

/** The variable that `--queue` takes its default from. */
export const ADDRESS_VARIABLE = 'SLUICE_QUEUE'

/** Where the queue is, from a URL. */
export interface Address {
  /** For messages: without user and password. */
  readonly name: string
  /** Precedes every key. In braces, so that a cluster keeps all keys in one slot. */
  readonly prefix: string
  /** Milliseconds that a coordinator waits for a Redis that is down or full. */
  readonly patience: number
  /** Milliseconds that a worker keeps its shard after its last sign of life. */
  readonly lock: number
  readonly options: RedisOptions
}

/**
 * Reads `redis://user:password@host:6379/0?prefix=audit`, `rediss://` for TLS, or
 * `unix:///run/redis.sock`. Hides the password in all output.
 * @throws SluiceError USAGE
 */
export function parseAddress(text: string): Address {
  const url = /^[a-z]+:\/\/./i.test(text) && URL.canParse(text) ? new URL(text) : undefined
  // The value may hold a password, so that it is left out.
  if (url === undefined) throw usage('it is not a URL')
  const scheme = url.protocol.slice(0, -1)
  if (!SCHEMES.includes(scheme))
    throw usage(`the scheme ${scheme}:// is not supported, only ${SCHEMES.join(':// and ')}://`)
  const [username, password] = [url.username, url.password].map(decode)
  for (const secret of [password, url.password]) addSecret(secret, { name: `env.${ADDRESS_VARIABLE}` })
  const parameters = parametersOf(url)
  const isUnix = scheme === 'unix'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!isUnix && host === '') throw usage('it has no host')
  const place = isUnix ? { path: decode(url.pathname) } : { host, port: url.port === '' ? 6379 : Number(url.port) }
  const database = parameters.get('db') ?? (isUnix ? '' : url.pathname.slice(1))
  if (!/^\d{0,5}$/.test(database)) throw usage(`the database "${database}" is not a number`)
  const tls = scheme === 'rediss' ? tlsOf(parameters, host) : undefined
  if (tls === undefined && FILES.some((name) => parameters.has(name)))
    throw usage('ca, cert and key need TLS', 'write rediss:// in place of redis://')
  return {
    name: isUnix ? `unix://${url.pathname}` : `${scheme}://${url.host}`,
    prefix: prefixOf(parameters.get('prefix')),
    patience: durationOf(parameters, 'patience', 5 * MINUTE),
    lock: Math.max(SECOND, durationOf(parameters, 'lock', 10 * SECOND)),
    options: {
      ...place,
      ...(username !== '' && { username }),
      ...(password !== '' && { password }),
      ...(database !== '' && { db: Number(database) }),
      ...(tls && { tls }),
    },
  }
}

/** True if a URL has a password, which others can see on a command line. */
export function hasPassword(text: string): boolean {
  return URL.canParse(text) && new URL(text).password !== ''
}

const SCHEMES = ['redis', 'rediss', 'unix']
const FILES = ['ca', 'cert', 'key']
const PARAMETERS = ['prefix', 'db', 'patience', 'lock', ...FILES]

function parametersOf(url: URL): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of url.searchParams) {
    if (!PARAMETERS.includes(name))
      throw usage(`"${name}" is not a parameter`, suggest(name, PARAMETERS, 'known parameters'))
    parameters.set(name, value)
  }
  return parameters
}

/** The name of the host is sent (SNI), and is the one that the certificate must have. */
function tlsOf(parameters: ReadonlyMap<string, string>, host: string): NonNullable<RedisOptions['tls']> {
  const files = FILES.flatMap((name) => {
    const path = parameters.get(name)
    return path === undefined ? [] : [[name, read(name, path)]]
  })
  return { ...(isIP(host) === 0 && { servername: host }), ...Object.fromEntries(files) }
}

function read(name: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw usage(`the file of its parameter ${name} cannot be read: ${path}: ${systemCode(error) ?? String(error)}`)
  }
}

function durationOf(parameters: ReadonlyMap<string, string>, name: string, otherwise: number): number {
  const text = parameters.get(name)
  if (text === undefined) return otherwise
  try {
    return parseDuration(text)
  } catch (error) {
    const hint = error instanceof SluiceError ? error.hint : undefined
    throw usage(`its parameter ${name} is "${text}", which is not a duration`, hint)
  }
}

/** Braces of its own are kept: they are the hash tag of a cluster. */
function prefixOf(given: string | undefined): string {
  const name = given ?? 'sluice'
  if (!/^(\{[\w.:-]{1,100}\}|[\w.:-]{1,100})[\w.:-]{0,100}$/.test(name))
    throw usage(`the prefix "${name}" has other characters than letters, digits and _ . : -`)
  return name.includes('{') ? name : `{${name}}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw usage('its user or password is not percent-encoded', 'write p%40ss for p@ss')
  }
}

function usage(
  problem: string,
  hint = 'write redis://HOST:6379, rediss://HOST:6380 for TLS, or unix:///PATH',
): SluiceError {
  return new SluiceError('USAGE', `the address of the queue cannot be used: ${problem}`, { hint })
}
