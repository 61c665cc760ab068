import { COLON, MINUS } from '../../record/json/ascii.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import { readName } from '../../record/json/walk.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import { reaches } from '../../record/paths/reaches.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { createEmbeddedRedactor } from './embedded.ts'
import { WATCHED } from './forms.ts'
import { isDescribing, isIdName, isSecretName } from './names.ts'
import { createPairs, isPairValue } from './pairs.ts'
import type { Preparation } from './pairs.ts'
import { createRedactor } from './redactor.ts'
import type { Rule } from './redactor.ts'
import { remembered, RememberedBytes } from './remembered.ts'
import { MASK, redactText } from './text.ts'

/** The rules of the preset `secrets`, and what comes before the rules of any author. */
export interface Preset {
  readonly prepare: Preparation
  readonly rules: readonly Rule[]
}

/**
 * The preset `secrets`. It masks
 * - values under a secret name, at any depth (`names.ts`);
 * - values beside a secret name (`pairs.ts`);
 * - secrets inside strings: by their form, by a name in the text, in embedded JSON (`text.ts`);
 * - the payload of an MDM command, and the base64 script that a virtual machine starts with.
 *
 * Booleans, null, times, ARNs, results (`Success`) and permission levels (`read`) stay. An object of
 * secrets whose members describe it (`id`, `type`, `expires`) keeps these and loses the others; any
 * other object is masked as a whole.
 */
export function secretRules(paths: Paths, mask: Rule['edit'], depth = 0): Preset {
  const secret = keyTest('secret names', isSecretName)
  const describing = keyTest('describing names', isDescribing)
  const script = { kind: 'keys', keys: SCRIPTS } as const
  const within = paths.addSegments([DEEP, secret, DEEP])
  const descriptions = [
    paths.addSegments([DEEP, secret, DEEP, describing]),
    paths.addSegments([DEEP, secret, DEEP, describing, { kind: 'elements' }]),
  ]
  const hide: Rule['edit'] = (batch, hit) => {
    const kind = batch.kind(hit)
    if (kind === ValueKind.string) return isHarmless(batch, hit) ? Edit.keep : mask(batch, hit)
    if (kind === ValueKind.true || kind === ValueKind.false || kind === ValueKind.null) return Edit.keep
    return mask(batch, hit)
  }
  const hideOpen: Rule['edit'] = (batch, hit) => {
    const kind = batch.kind(hit)
    const isStructure = kind === ValueKind.object || kind === ValueKind.array
    return isStructure && isOpen(batch, hit, descriptions[0]) ? Edit.keep : hide(batch, hit)
  }
  const hideScript: Rule['edit'] = (batch, hit) => (BASE64.test(batch.text(hit)) ? mask(batch, hit) : Edit.keep)
  const hidePaired: Rule['edit'] = (batch, hit) => (holdsNothing(batch, hit) ? Edit.keep : hide(batch, hit))
  return {
    prepare: createPairs(paths, hidePaired),
    rules: [
      { paths: [paths.addSegments([DEEP, secret])], kinds: ANY_KIND, edit: hideOpen },
      {
        paths: [within],
        kinds: TEXT_OR_NUMBER,
        edit: (batch, hit) => (descriptions.some((path) => batch.belongs(hit, path)) ? Edit.keep : hide(batch, hit)),
      },
      { paths: [paths.add('command.payload')], kinds: ANY_KIND, edit: mask },
      { paths: [paths.addSegments([DEEP, script])], kinds: TEXT, edit: hideScript },
      { paths: [paths.addSegments([DEEP, script, { kind: 'keys', keys: ['value'] }])], kinds: TEXT, edit: hideScript },
      { paths: [paths.watch(WATCHED)], kinds: TEXT, edit: createTextEdit(depth) },
    ],
  }
}

/** Names of the script that a virtual machine starts with (AWS). */
const SCRIPTS = [
  'userData',
  'UserData',
  'user_data',
  'launchTemplateSpecificationUserData',
  'LaunchTemplateSpecificationUserData',
]
/** Such a script in base64: nobody can see what is in it. */
const BASE64 = /^[A-Za-z0-9+/\s]{20,}={0,2}\s*$/

export const ANY_KIND = -1
export const TEXT = (1 << ValueKind.string) | (1 << ValueKind.escaped)
export const TEXT_OR_NUMBER = TEXT | (1 << ValueKind.number) | (1 << ValueKind.unusual)
export const DEEP = { kind: 'deep' } as const

function keyTest(text: string, test: (key: string) => boolean) {
  return { kind: 'pattern', pattern: { text: `<${text}>`, test: remembered(test) } } as const
}

/** JSON in JSON in JSON. Deeper, the text is searched like any other. */
export const MAX_EMBEDDED = 4

/** Redacts the secrets inside a string and keeps the rest of it. */
function createTextEdit(depth: number): Rule['edit'] {
  const harmless = new RememberedBytes()
  const redactEmbedded =
    depth === MAX_EMBEDDED
      ? undefined
      : createEmbeddedRedactor((paths) => {
          const mask = Buffer.from(JSON.stringify(MASK))
          const { rules, prepare } = secretRules(paths, (batch) => batch.token(mask), depth + 1)
          return createRedactor(rules, prepare)
        })
  return (batch, hit) => {
    if (batch.edits[hit] !== Edit.keep) return Edit.keep
    const { bytes, index } = batch
    const start = index.hits[HIT_STRIDE * hit + 2] + 1
    const end = index.hits[HIT_STRIDE * hit + 3] - 1
    if (harmless.has(bytes, start, end)) return Edit.keep
    const text = batch.text(hit)
    const embedded = JSON_START.test(text) ? redactEmbedded?.(text) : undefined
    let redacted = embedded ?? redactText(text, false)
    if (redacted !== text) {
      if (embedded === undefined && isUnderIdName(batch, hit)) redacted = redactText(text, true)
      return redacted === text ? Edit.keep : batch.token(Buffer.from(JSON.stringify(redacted)))
    }
    harmless.add(bytes, start, end)
    return Edit.keep
  }
}

export const JSON_START = /^\s*[[{]/

function isUnderIdName(batch: Batch, hit: number): boolean {
  const { key, start } = batch.span(hit)
  return key !== start && isIdName(readName(batch.bytes, key))
}

/** Whether a string tells nothing about the secret that it belongs to. */
function isHarmless(batch: Batch, hit: number): boolean {
  return batch.kind(hit) === ValueKind.string && (isTime(batch, hit) || isReference(batch, hit))
}

function isTime(batch: Batch, hit: number): boolean {
  const { bytes } = batch
  const { hits } = batch.index
  const start = hits[HIT_STRIDE * hit + 2] + 1
  const length = hits[HIT_STRIDE * hit + 3] - 1 - start
  if (length < 19 || length > 35 || bytes[start + 4] !== MINUS || bytes[start + 13] !== COLON) return false
  return TIME.test(batch.text(hit))
}

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?$/

/**
 * Whether a string names a secret or says what was or may be done with it: an ARN, `Success`,
 * `Failure` (AWS), `read`, `write` (GitHub).
 */
function isReference(batch: Batch, hit: number): boolean {
  const { bytes } = batch
  const start = batch.index.hits[HIT_STRIDE * hit + 2] + 1
  // Most values start with another letter.
  if (!REFERENCE_STARTS.includes(bytes[start])) return false
  return REFERENCE.test(batch.text(hit))
}

const REFERENCE_STARTS = Buffer.from('arwSF')
const REFERENCE = /^(?:arn:aws[a-z-]*:[a-z\d-]+:[a-z\d-]*:\S+|read|write|Success|Failure)$/

/** Whether an object has no string, number or array inside. */
function holdsNothing(batch: Batch, hit: number): boolean {
  return batch.kind(hit) === ValueKind.object && !/["\d[]/.test(batch.raw(hit).toString().replaceAll(KEY, ''))
}

const KEY = /"(?:[^"\\]|\\[^])*"\s*:/g

/**
 * Whether an object or array of secrets is kept open, so that its members decide: it has a member
 * that describes it, or an object holds nothing but booleans, null, times, ARNs and objects of
 * these. All values inside are hits.
 */
function isOpen(batch: Batch, hit: number, describing: Path): boolean {
  const { hits } = batch.index
  const end = hits[HIT_STRIDE * hit + 3]
  let holdsMore = batch.kind(hit) === ValueKind.array
  for (let next = hit + 1; HIT_STRIDE * next < hits.length && hits[HIT_STRIDE * next + 2] < end; next++) {
    const kind = 1 << batch.kind(next)
    if ((kind & (TEXT_OR_NUMBER | (1 << ValueKind.array))) === 0 || isHarmless(batch, next)) continue
    holdsMore = true
    if (batch.belongs(next, describing)) return true
  }
  return !holdsMore
}

/** The parts of the preset that can change the value at a path of keys because of its keys. */
export const SECRET_EFFECTS: readonly { readonly name: string; touches(path: string): boolean }[] = [
  { name: '**.<secret names>', touches: (path) => keysOf(path).some(isSecretName) },
  { name: '**.<values in pairs>', touches: (path) => isPairValue(keysOf(path).at(-1) ?? '') },
  { name: 'command.payload', touches: (path) => reaches('command.payload', path) },
  { name: '**.userData', touches: (path) => keysOf(path).some((key) => SCRIPTS.includes(key)) },
]

function keysOf(path: string): string[] {
  return parsePath(path).flatMap((segment) => (segment.kind === 'keys' ? segment.keys : []))
}
