import { Trait } from '../../../record/paths/traits.ts'
import { FORMS, NAMED_KEYS } from '../forms.ts'
import type { Form } from '../forms.ts'
import { findIpv4, findIpv6, findMac, makerOf, normalMac } from './find-addresses.ts'
import { findEmails, normalEmail } from './find-emails.ts'
import { compact, findCards, findIbans } from './find-numbers.ts'
import { networkOf, normalAddress } from './ip.ts'
import type { Span } from './span.ts'

/** Finds values of one kind in a text. */
export interface Detector {
  readonly about: string
  /** The `Trait` of every string that holds such a value; undefined: every one holds a needle. */
  readonly trait?: number
  /** In their order, without overlaps. The time is linear in the length of the text. */
  find(text: string): Span[]
  /** The spelling that all equal values share, for pseudonyms. Default: as it is. */
  normal?(value: string): string
  /** Less of the value, in the same form. Without it, the value cannot be generalised. */
  generalise?(value: string): string
}

/** All detectors. Where values overlap, the detector that comes first in this list decides. */
const DETECTORS = {
  privateKey: ofForms('privateKey', 'Private keys in PEM (also with `\\n` for line feeds), of PuTTY and of age.'),
  jwt: ofForms('jwt', 'JSON web tokens, signed or encrypted.'),
  cloudKey: ofForms(
    undefined,
    'Keys and tokens of clouds and vendors with a documented prefix, [as listed](#secrets-with-a-known-form); secret keys of AWS and Azure after their name in the text.',
  ),
  iban: {
    about: 'IBAN: the length of its country and correct check digits, with or without blanks.',
    trait: Trait.account,
    find: findIbans,
    normal: compact,
  },
  card: {
    about:
      'Card numbers of 14 to 19 digits: a known issuer and a correct check digit (Luhn); plain, or in groups with blanks or dashes. Also JSON numbers.',
    trait: Trait.digits,
    find: findCards,
    normal: compact,
  },
  email: {
    about: 'E-mail addresses, also with `%40`, and in other alphabets.',
    trait: Trait.at,
    find: findEmails,
    normal: normalEmail,
  },
  mac: {
    about: 'Hardware addresses of 6 or 8 bytes: `00:1b:63:84:45:e6`, `00-1B-…`, `001b.6384.45e6`.',
    trait: Trait.groups,
    find: findMac,
    normal: normalMac,
    generalise: makerOf,
  },
  ipv6: {
    about: 'IPv6 addresses in every spelling, with their zone.',
    trait: Trait.colons,
    find: findIpv6,
    normal: normalAddress,
    generalise: networkOf,
  },
  ipv4: {
    about: 'IPv4 addresses. Versions stay: after `version` or `Chrome/`, and under names that end in `version`.',
    trait: Trait.dots,
    find: findIpv4,
    generalise: networkOf,
  },
} satisfies { readonly [name: string]: Detector }

export type DetectorName = keyof typeof DETECTORS

export const DETECTOR_NAMES: readonly DetectorName[] = [
  'email',
  'ipv4',
  'ipv6',
  'mac',
  'card',
  'iban',
  'jwt',
  'cloudKey',
  'privateKey',
]

export function detectorOf(name: DetectorName): Detector {
  return DETECTORS[name]
}

/** A found value. */
export interface Found extends Span {
  readonly detector: Detector
}

/**
 * Finds the values of several detectors in a text, in order. Of values that overlap, the one of the
 * earlier detector in `DETECTORS` counts.
 */
export function createSearch(names: readonly DetectorName[]): (text: string) => readonly Found[] {
  const detectors = Object.entries(DETECTORS)
    .filter(([name]) => names.some((one) => one === name))
    .map(([, detector]): Detector => detector)
  if (detectors.length === 1) {
    const [detector] = detectors
    return (text) => detector.find(text).map(({ start, end }) => ({ start, end, detector }))
  }
  return (text) => {
    let all = NOTHING
    for (const detector of detectors) {
      const spans = detector.find(text)
      if (spans.length > 0) all = merge(all, spans, detector)
    }
    return all
  }
}

const NOTHING: readonly Found[] = []

/** Adds those of a detector's spans that overlap none of the values before. */
function merge(before: readonly Found[], spans: readonly Span[], detector: Detector): readonly Found[] {
  const merged: Found[] = []
  let next = 0
  for (const { start, end } of spans) {
    while (next < before.length && before[next].end <= start) merged.push(before[next++])
    if (next === before.length || before[next].start >= end) merged.push({ start, end, detector })
  }
  while (next < before.length) merged.push(before[next++])
  return merged
}

function ofForms(kind: Form['kind'], about: string): Detector {
  const forms = [...FORMS, ...(kind === undefined ? NAMED_KEYS : [])].filter((form) => form.kind === kind)
  return {
    about,
    find(text) {
      let found: Span[] = []
      for (const { needles, pattern, isSecret } of forms) {
        if (!needles.some((needle) => text.includes(needle))) continue
        for (const { 0: match, index } of text.matchAll(pattern)) {
          if (isSecret?.(match) ?? true) found.push({ start: index, end: index + match.length })
        }
      }
      if (found.length > 1) found = withoutOverlaps(found.toSorted((a, b) => a.start - b.start || b.end - a.end))
      return found
    },
  }
}

function withoutOverlaps(spans: readonly Span[]): Span[] {
  const kept: Span[] = []
  for (const span of spans) if (span.start >= (kept.at(-1)?.end ?? 0)) kept.push(span)
  return kept
}
