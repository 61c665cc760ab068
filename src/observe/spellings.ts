/**
 * The source of a regular expression, for the flag `i`, that matches a text in all spellings in
 * which a server, a library or a log may repeat it:
 *
 * - as it is; with any character percent-encoded (once or twice), escaped as in JSON, JavaScript or
 *   HTML, in any mixture, because each encoder leaves other characters alone;
 * - in base64, with the alphabet of files or of URLs, alone or as a part of a longer text, such as
 *   `user:password`;
 * - in hex.
 *
 * A long text is matched in parts, and not in base64 or hex.
 */
export function spellingsOf(text: string): string {
  if (text.length > MAX_LENGTH) return cut(text).map(escapesOfOthers).join('|')
  return [escapes(text), ...encodings(text)].join('|')
}

/** Length of the shortest text that the expression can match, in UTF-16 code units. */
export function shortestSpelling(text: string): number {
  return text.length > MAX_LENGTH ? PART_LENGTH / 4 : text.length
}

/**
 * Decides most texts without the expression, which takes 10 ms to compile: false if a text certainly
 * has no spelling of the secret.
 */
export type MayContain = (plain: string | undefined) => boolean

/** @param text the secret */
export function quickTestOf(text: string): MayContain {
  if (text.length > MAX_LENGTH || !/^[\x20-\x7e]*$/.test(text)) return () => true
  const bytes = Buffer.from(text)
  const encoded =
    bytes.length < MIN_ENCODED ? [] : [...[0, 1, 2].map((before) => certainPart(bytes, before)), bytes.toString('hex')]
  const needles = [text, ...encoded].map(fold)
  return (plain) => plain === undefined || needles.some((needle) => plain.includes(needle))
}

/** A text for quick tests. Undefined if it may have escapes, so that only the expression can tell. */
export function plainForm(text: string): string | undefined {
  return /[%&\\]/.test(text) ? undefined : fold(text)
}

/** The same for all characters that the expression takes for each other where nothing is escaped. */
function fold(text: string): string {
  return text.toLowerCase().replaceAll(/[ -]/g, '+').replaceAll('_', '/')
}

/** Characters. The expression has 60 for each. Text is often cut before it is quoted. */
const MAX_LENGTH = 256
const PART_LENGTH = 64
/** Bytes. The encodings of shorter texts may be words of their own. */
const MIN_ENCODED = 6

function cut(text: string): string[] {
  const parts: string[] = []
  for (let at = 0; at < text.length; at += PART_LENGTH) parts.push(text.slice(at, at + PART_LENGTH))
  // The last part may be short, and would match too much.
  const last = parts.pop() ?? ''
  return last.length >= PART_LENGTH / 4 ? [...parts, last] : parts
}

function escapes(text: string): string {
  return Array.from(text, escapesOf).join('')
}

function escapesOfOthers(text: string): string {
  return Array.from(text, (char) => (/[A-Za-z0-9]/.test(char) ? char : escapesOf(char))).join('')
}

function escapesOf(char: string): string {
  const literal = literally(char)
  const bytes = [...Buffer.from(char)].map((byte) => byte.toString(16).padStart(2, '0'))
  const units = char.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'))
  const code = char.codePointAt(0) ?? 0
  const core = [
    literal,
    bytes.map((byte) => `%(?:25)?${byte}`).join(''),
    `&#0*${code};`,
    `&#x0*${code.toString(16)};`,
    ...(names[char] ?? []).map((name) => `&${name};`),
    ...(char === ' ' ? ['\\+'] : []),
  ].join('|')
  const escaped = [
    units.map((unit) => `u${unit}`).join(`${BACKSLASH}{1,2}`),
    ...(code < 256 ? [`x${code.toString(16).padStart(2, '0')}`] : []),
    ...(short[char] === undefined ? [] : [short[char]]),
  ].join('|')
  // JSON can be percent-encoded, and be in JSON again.
  const optional = /[A-Za-z0-9]/.test(char) ? '' : `${BACKSLASH}{0,3}`
  return `(?:${optional}(?:${core})|${BACKSLASH}{1,2}(?:${escaped}))`
}

const BACKSLASH = '(?:\\\\|%(?:25)?5c)'

/** Names of characters in HTML and XML. */
const names: { readonly [char: string]: readonly string[] } = {
  '&': ['amp'],
  '<': ['lt'],
  '>': ['gt'],
  '"': ['quot'],
  "'": ['apos'],
}

/** Characters that JSON escapes with a letter. */
const short: { readonly [char: string]: string } = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f' }

function encodings(text: string): string[] {
  const bytes = Buffer.from(text)
  if (bytes.length < MIN_ENCODED) return []
  return [...[0, 1, 2].map((before) => base64At(bytes, before)), bytes.toString('hex')]
}

/**
 * The base64 of bytes that follow `before` others. The characters at the ends that depend on their
 * neighbours are left out.
 */
function base64At(bytes: Buffer, before: number): string {
  const certain = certainPart(bytes, before).replaceAll('+', '(?:[+-]|%2b)').replaceAll('/', '(?:[/_]|\\\\/|%2f)')
  // What is left of the last character, and the padding, when nothing follows.
  const rest = wholeBase64(bytes, before).slice(endOf(bytes, before))
  return before === 0 && rest !== '' ? `${certain}(?:${literally(rest)}(?:=|%3d)*)?` : certain
}

function certainPart(bytes: Buffer, before: number): string {
  return wholeBase64(bytes, before).slice(Math.ceil((8 * before) / 6), endOf(bytes, before))
}

function wholeBase64(bytes: Buffer, before: number): string {
  return Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .replaceAll('=', '')
}

/** The first character that depends on what follows. */
function endOf(bytes: Buffer, before: number): number {
  return Math.floor((8 * (before + bytes.length)) / 6)
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
