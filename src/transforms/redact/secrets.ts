import { COLON, MINUS, NINE, OPEN_ARRAY, QUOTE, ZERO } from '../../record/json/ascii.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { skipSpace } from '../../record/json/walk.ts'
import { HIT_STRIDE, Kind } from '../../record/scan.ts'
import { skipString } from '../../record/json/walk.ts'
import { createPattern } from '../../record/paths/pattern.ts'
import { ofAny } from '../../record/author/condition.ts'
import type { HitTest } from '../../record/author/condition.ts'
import type { Paths } from '../../record/paths/path.ts'
import { rememberVerdicts } from '../../record/author/cached-test.ts'
import type { Rule } from './redactor.ts'

/** Names of what must not be kept, in keys and in the `field` of a change. */
const SECRET_NAME =
  'pass(word|phrase|code)|secret|token|private_?key|ssh_?key|api_?key|credential|totp|otp|recovery|fde'

/**
 * The preset `secrets`: values of text, array or object under a secret name at any depth (a boolean such as `sso_token_success` or a number is
 * no secret, nor is an object of booleans, as in `auth_methods.password.success`); both sides of a change whose `field` has such a name, whatever
 * they are; and the payload of an mdm command.
 */
export function secretRules(paths: Paths, mask: Rule['edit']): Rule[] {
  const base = paths.add('changes[*]')
  const field = paths.add('changes[*].field')
  const hide: Rule['edit'] = (batch, hit) =>
    batch.kind(hit) === Kind.object && !objectHoldsMore(batch, hit) ? Edit.keep : mask(batch, hit)
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
const TEXT_OR_STRUCTURE = (1 << Kind.string) | (1 << Kind.escaped) | (1 << Kind.object) | (1 << Kind.array)

/** Whether any of the values speaks of a secret, be it text or, in an odd record, something with such text inside. */
function namesSecret(): HitTest {
  const pattern = createPattern(SECRET_NAME, 'i')
  return ofAny(rememberVerdicts((text) => pattern.test(text)))
}

function objectHoldsMore(batch: Batch, hit: number): boolean {
  const { hits } = batch.index
  // Where nothing is edited the bytes are looked at as they stand.
  if (!batch.isEditedAt(hit)) return holdsMore(batch.bytes, hits[HIT_STRIDE * hit + 2], hits[HIT_STRIDE * hit + 3])
  const json = batch.raw(hit)
  return holdsMore(json, 0, json.length)
}

/** Whether there is anything but booleans and null (a string that is no key, a number, an array) anywhere in an object. */
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
