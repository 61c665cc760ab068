import { COLON, MINUS, NINE, OPEN_ARRAY, QUOTE, ZERO } from '../../record/ascii.ts'
import { Edit } from '../../record/batch.ts'
import { skipSpace } from '../../record/edits.ts'
import { Kind } from '../../record/scan.ts'
import { skipString } from '../../record/walk.ts'
import { createPattern } from '../../record/pattern.ts'
import type { HitTest } from '../../record/condition.ts'
import type { Paths } from '../../record/path.ts'
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
    batch.kind(hit) === Kind.object && !holdsMore(batch.raw(hit)) ? Edit.keep : mask(batch, hit)
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

/** Field names repeat; hostile ones must not pile up. */
const MAX_REMEMBERED = 4096

/** Whether any of the values speaks of a secret, be it text or, in an odd record, something with such text inside. */
function namesSecret(): HitTest {
  const pattern = createPattern(SECRET_NAME, 'i')
  const known = new Map<string, boolean>()
  return (batch, hits) =>
    hits.some((hit) => {
      const name = batch.text(hit)
      let secret = known.get(name)
      if (secret === undefined) {
        secret = pattern.test(name)
        if (known.size === MAX_REMEMBERED) known.clear()
        if (name.length <= 256) known.set(name, secret)
      }
      return secret
    })
}

/** Whether there is anything but booleans and null (a string that is no key, a number, an array) anywhere in an object. */
function holdsMore(json: Buffer): boolean {
  let at = 0
  while (at < json.length) {
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
