import { Edit } from '../../../record/batch.ts'
import type { Batch } from '../../../record/batch.ts'
import { parsePath } from '../../../record/paths/grammar.ts'
import type { Path, Paths } from '../../../record/paths/path.ts'
import { HIT_STRIDE } from '../../../record/scan.ts'
import { networkOfIpv4 } from '../actions/ipv4-network.ts'
import { partOf } from '../actions/partial.ts'
import { createEmbeddedRedactor } from '../embedded.ts'
import { WATCHED } from '../forms.ts'
import { createPseudonyms } from '../pseudonym.ts'
import { createRedactor } from '../redactor.ts'
import type { Rule } from '../redactor.ts'
import { rememberedAt, RememberedTokens } from '../remembered.ts'
import { EVERYWHERE } from '../rule-config.ts'
import type { RuleConfig } from '../rule-config.ts'
import { DEEP, JSON_START, MAX_EMBEDDED, TEXT_OR_NUMBER } from '../secrets.ts'
import { MASK } from '../text.ts'
import { createSearch, detectorOf } from './detector.ts'
import type { DetectorName, Found } from './detector.ts'
import { isVersionName } from './find-addresses.ts'
import { SearchedText } from './searched-text.ts'

/** What takes the place of a found value; empty to remove it. */
type Replace = (value: string, found: Found) => string

/**
 * Redacts values that detectors find inside strings and numbers, and keeps the rest of the string.
 * JSON inside a string is searched like a record. Names of members are not searched.
 */
export function detectRule(
  rule: RuleConfig,
  detect: readonly DetectorName[],
  { paths, searched }: { readonly paths: Paths; readonly searched: SearchedText },
): SearchRule {
  const generalisesIpv4 = rule.action === 'generalise' && detect.includes('ipv4')
  const edit = createEdit({ detect, replace: replacementOf(rule), generalisesIpv4, searched, depth: 0 })
  return { paths: pathsOf(rule.path, detect, paths), kinds: TEXT_OR_NUMBER, searches: true, edit }
}

type SearchRule = Pick<Rule, 'paths' | 'kinds' | 'searches' | 'edit'>

interface Search {
  readonly detect: readonly DetectorName[]
  readonly replace: Replace
  readonly generalisesIpv4: boolean
  readonly searched: SearchedText
  /** In how many strings the text is, as JSON. */
  readonly depth: number
}

/**
 * Everywhere, the scanner says which strings and numbers are worth reading. At a path, all of them
 * are read: those that the path matches, and those inside.
 */
function pathsOf(path: string | undefined, detect: readonly DetectorName[], paths: Paths): readonly Path[] {
  if (path !== undefined && path !== EVERYWHERE) {
    const segments = parsePath(path)
    return segments.at(-1)?.kind === 'deep'
      ? [paths.add(path)]
      : [paths.add(path), paths.addSegments([...segments, DEEP])]
  }
  const traits = detect.map((name) => detectorOf(name).trait)
  const all = traits.reduce<number>((bits, trait = 0) => bits | trait, 0)
  return [...(all === 0 ? [] : [paths.trace(all)]), ...(traits.includes(undefined) ? [paths.watch(WATCHED)] : [])]
}

/** The traits of which every string with such values has one; 0 if there are strings without. */
function traitsOf(detect: readonly DetectorName[]): number {
  const traits = detect.map((name) => detectorOf(name).trait)
  return traits.includes(undefined) ? 0 : traits.reduce<number>((bits, trait = 0) => bits | trait, 0)
}

function replacementOf(rule: RuleConfig): Replace {
  switch (rule.action) {
    case 'drop':
      return () => ''
    case 'hmac': {
      const pseudonymOf = createPseudonyms(rule.key ?? '')
      return (value, { detector }) =>
        pseudonymOf(detector.normal?.(value) ?? value)
          .toString('latin1')
          .slice(1, -1)
    }
    case 'partial':
      return (value) => partOf(value, rule) ?? MASK
    case 'generalise':
      return (value, { detector }) => detector.generalise?.(value) ?? MASK
    default:
      return () => rule.with ?? MASK
  }
}

/** Stands for the removal of the whole member. */
const REMOVED = Buffer.alloc(0)

/** A search, and what became of the texts that it has read. */
interface Reader {
  readonly known: RememberedTokens
  /** The JSON of what takes the place of a value; undefined for no change. */
  readonly read: (text: string, isNumber: boolean) => Buffer | undefined
}

function createEdit(search: Search): Rule['edit'] {
  const { detect, generalisesIpv4, searched } = search
  const reader = createReader(search)
  const others = detect.filter((name) => name !== 'ipv4')
  const ofVersions = others.length === detect.length ? undefined : createReader({ ...search, detect: others })
  const isVersion = rememberedAt(isVersionName)
  const traits = traitsOf(detect)
  const findsNumbers = detect.includes('card')
  searched.want(traits)
  return (batch, hit) => {
    searched.moveTo(batch, hit)
    const { bytes, start, end, isNumber } = searched
    if (isNumber && !findsNumbers) return Edit.keep
    // The scanner reports values with a trait of any rule.
    if (!isNumber && traits !== 0 && (searched.traits & traits) === 0) return Edit.keep
    const { hits } = batch.index
    const key = hits[HIT_STRIDE * hit + 1]
    const isNamedVersion = ofVersions !== undefined && key !== hits[HIT_STRIDE * hit + 2] && isVersion(batch.bytes, key)
    if (generalisesIpv4 && !isNamedVersion && !isNumber && searched.last >= 0) return networkOfIpv4(batch, searched)
    const { known, read } = isNamedVersion ? ofVersions : reader
    if (known.has(bytes, start, end)) return editOf(batch, known.token)
    const token = read(batch.text(hit), isNumber)
    known.add(bytes, start, end, token)
    return editOf(batch, token)
  }
}

function editOf(batch: Batch, token: Buffer | undefined): number {
  if (token === undefined) return Edit.keep
  return token === REMOVED ? Edit.delete : batch.token(token)
}

function createReader(options: Search): Reader {
  const { detect, replace, depth } = options
  const search = createSearch(detect)
  const redactEmbedded =
    depth === MAX_EMBEDDED
      ? undefined
      : createEmbeddedRedactor((paths) => {
          const searched = new SearchedText()
          const edit = createEdit({ ...options, searched, depth: depth + 1 })
          const redact = createRedactor([
            { paths: pathsOf(EVERYWHERE, detect, paths), kinds: TEXT_OR_NUMBER, searches: true, edit },
          ])
          return (batch) => {
            redact(batch)
            searched.leave()
          }
        })
  return {
    known: new RememberedTokens(),
    read(text, isNumber) {
      const isJson = !isNumber && redactEmbedded !== undefined && !isWord(text) && JSON_START.test(text)
      // Scanning is dear, and most embedded JSON holds nothing.
      if (isJson && !hidesAscii(text) && search(unescaped(text)).length === 0) return undefined
      const embedded = isJson ? redactEmbedded(text) : undefined
      if (embedded !== undefined) return embedded === text ? undefined : Buffer.from(JSON.stringify(embedded))
      const found = search(text)
      if (found.length === 0) return undefined
      const isWhole = found.length === 1 && found[0].start === 0 && found[0].end === text.length
      if (isNumber && !isWhole) return undefined
      const redacted = replaced(text, found, replace)
      if (isWhole && redacted === '') return REMOVED
      return redacted === text ? undefined : Buffer.from(JSON.stringify(redacted))
    },
  }
}

/** Whether a text begins with a digit or letter, as most do: then it is no JSON. */
function isWord(text: string): boolean {
  const first = text.charCodeAt(0) | 0x20
  return (first >= 0x30 && first <= 0x39) || (first >= 0x61 && first <= 0x7a)
}

/** Whether escapes of JSON in a text spell ASCII. */
function hidesAscii(text: string): boolean {
  return text.includes('\\u00')
}

/** A text in which no escape touches a value; its values are those of the strings in it, and more. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replaceAll(/\\+\//g, '/').replaceAll(/\\+["bfnrt]?/g, ' ')
}

function replaced(text: string, found: readonly Found[], replace: Replace): string {
  let result = ''
  let copied = 0
  for (const one of found) {
    result += text.slice(copied, one.start) + replace(text.slice(one.start, one.end), one)
    copied = one.end
  }
  return result + text.slice(copied)
}
