import { COLON, MINUS, NINE, OPEN_ARRAY, QUOTE, ZERO } from '../../record/json/ascii.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import { skipSpace, skipString } from '../../record/json/walk.ts'
import { createPattern } from '../../record/paths/pattern.ts'
import { ofAny } from '../../record/author/condition.ts'
import type { HitTest } from '../../record/author/condition.ts'
import type { Paths } from '../../record/paths/path.ts'
import { cachedTest } from '../../record/author/cached-test.ts'
import type { Rule } from './redactor.ts'

/** Matches names of secrets, in keys and in the `field` of a change. */
const SECRET_NAME =
  'pass(word|phrase|code)|secret|token|private_?key|ssh_?key|api_?key|credential|totp|otp|recovery|fde'

/**
 * The preset `secrets`. It masks strings, arrays and objects under a secret name, at any depth;
 * both sides of a change whose `field` has a secret name; and the payload of an MDM command.
 * Booleans such as `sso_token_success`, numbers, and objects of booleans such as
 * `auth_methods.password.success` are not secrets.
 */
export function secretRules(paths: Paths, mask: Rule['edit']): Rule[] {
  const base = paths.add('changes[*]')
  const field = paths.add('changes[*].field')
  const hide: Rule['edit'] = (batch, hit) =>
    batch.kind(hit) === ValueKind.object && !objectHoldsMore(batch, hit) ? Edit.keep : mask(batch, hit)
  return [
    { path: paths.add(`**./${SECRET_NAME}/i`), kinds: TEXT_OR_STRUCTURE, edit: hide },
    {
      path: paths.add('changes[*].{from,to}'),
      kinds: ANY_KIND,
      when: { base, tests: [{ path: field, holds: namesSecret() }] },
      edit: mask,
    },
    { path: paths.add('command.payload'), kinds: ANY_KIND, edit: mask },
  ]
}

export const ANY_KIND = -1
const TEXT_OR_STRUCTURE =
  (1 << ValueKind.string) | (1 << ValueKind.escaped) | (1 << ValueKind.object) | (1 << ValueKind.array)

/**
 * Whether the text of any of the values contains a secret name. In odd records the value may be an
 * object or array that contains one.
 */
function namesSecret(): HitTest {
  const pattern = createPattern(SECRET_NAME, 'i')
  return ofAny(cachedTest((text) => pattern.test(text)))
}

function objectHoldsMore(batch: Batch, hit: number): boolean {
  const { hits } = batch.index
  // Without edits the bytes of the record can be checked in place.
  if (!batch.isEditedAt(hit)) return holdsMore(batch.bytes, hits[HIT_STRIDE * hit + 2], hits[HIT_STRIDE * hit + 3])
  const json = batch.raw(hit)
  return holdsMore(json, 0, json.length)
}

/**
 * Whether an object contains anything but booleans, null and objects of these: a string value, a
 * number or an array.
 */
function holdsMore(json: Buffer, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const byte = json[at]
    if (byte === OPEN_ARRAY || byte === MINUS || (byte >= ZERO && byte <= NINE)) return true
    if (byte !== QUOTE) at++
    else {
      at = skipSpace(json, skipString(json, at))
      if (json[at] !== COLON) return true
    }
  }
  return false
}
