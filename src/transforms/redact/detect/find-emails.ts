import { domainToASCII } from 'node:url'
import { matchesOf } from './span.ts'
import type { Span } from './span.ts'

/**
 * Finds e-mail addresses: a name of letters, digits and `._+-`, an `@` (also as `%40`), and a domain
 * with a dot, also in other alphabets. Not found are quoted names, domains without a dot, file names
 * (`logo@2x.png`), units of systemd (`user@1000.service`), and accounts in `ssh://` and `git@host`.
 *
 * The names and domains of neighbouring addresses do not overlap, so the time is linear.
 */
export function findEmails(text: string): Span[] {
  const found: Span[] = []
  let border = 0
  for (const { 0: at, index } of matchesOf(text, SIGN)) {
    const start = startOfName(text, border, index)
    if (start === index) continue
    const end = endOfDomain(text, index + at.length)
    if (end === undefined || isAccount(text, start, index)) continue
    found.push({ start, end })
    border = end
  }
  return found
}

/** The account of a login or a repository: `ssh://deploy@host.example.com`, `git@github.com`. */
function isAccount(text: string, start: number, at: number): boolean {
  return text.slice(start, at) === 'git' || text.endsWith('ssh://', start)
}

function startOfName(text: string, border: number, at: number): number {
  const isSpaceless = SPACELESS.test(text[at - 1] ?? '')
  let start = at
  for (; start > border && isNamePart(text, start - 1); start--) {
    if (!isSpaceless && SPACELESS.test(text[start - 1])) break
  }
  // The digits of an escape in a URL: `?to%3Dann@example.com`.
  if (text[start - 1] === '%' && /^[0-9A-Fa-f]{2}/.test(text.slice(start, start + 2))) start = Math.min(at, start + 2)
  while (start < at && /[.'-]/.test(text[start])) start++
  return start
}

function isNamePart(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  if (code >= 0x80) return isLetter(text[at])
  if (code === APOSTROPHE) return /^[A-Za-z]'[A-Za-z]$/.test(text.slice(at - 1, at + 2))
  return NAME[code] === 1
}

/** The end of the domain at `start`; undefined if there is no domain. */
function endOfDomain(text: string, start: number): number | undefined {
  const ends: number[] = []
  const starts: number[] = []
  for (let label = start; ;) {
    const end = endOfLabel(text, label)
    if (end === label) break
    starts.push(label)
    ends.push(end)
    if (text[end] !== '.') break
    label = end + 1
  }
  for (let last = ends.length - 1; last > 0; last--) {
    if (isTopLevel(text.slice(starts[last], ends[last]))) return ends[last]
  }
  return undefined
}

function endOfLabel(text: string, start: number): number {
  const isSpaceless = SPACELESS.test(text[start] ?? '')
  let end = start
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code < 0x80 ? LABEL[code] === 0 : !isLetter(text[end]) || SPACELESS.test(text[end]) !== isSpaceless) break
  }
  while (end > start && text[end - 1] === '-') end--
  return text[start] === '-' ? start : end
}

function isTopLevel(label: string): boolean {
  return (/^[^\d-]{2,63}$/.test(label) || /^xn--[a-z\d-]{2,59}$/i.test(label)) && !NOT_TOP_LEVEL.test(label)
}

/** Ends of the names of files and of units. None of them is a top-level domain. */
const NOT_TOP_LEVEL =
  /^(?:png|jpe?g|gif|svg|webp|ico|css|js|ts|json|ya?ml|html?|xml|php|txt|log|gz|tgz|jar|exe|dll|pdf|tar|conf|service|socket|timer|mount|scope|slice|device|swap|path)$/i

/** Letters, marks and digits beyond ASCII; each half of a surrogate pair counts as a letter. */
function isLetter(character: string): boolean {
  return /[\p{L}\p{M}\p{N}\p{Surrogate}]/u.test(character)
}

/** Letters of alphabets that write no blanks between words: an address may touch them. */
const SPACELESS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

const APOSTROPHE = 0x27
const LABEL = new Uint8Array(128)
const NAME = new Uint8Array(128)
for (const byte of Buffer.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-')) LABEL[byte] = 1
NAME.set(LABEL)
for (const byte of Buffer.from('._+')) NAME[byte] = 1

const SIGN = /@|%40/g
/** The sign between the name and the domain. */
export const AT = /@|%40/

/** Lower case, with `@`, the domain in ASCII. */
export function normalEmail(address: string): string {
  const [name, domain] = address.toLowerCase().split(AT)
  return `${name}@${domainToASCII(domain) || domain}`
}
