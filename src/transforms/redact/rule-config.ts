import type { Static } from 'typebox'
import { Type } from '../../fields/typebox.ts'
import { Choice, RecordCondition, RecordPath, Secret } from '../../fields/fields.ts'
import { DETECTOR_NAMES } from './detect/detector.ts'

const ACTIONS = ['mask', 'drop', 'hmac', 'partial', 'truncate', 'generalise'] as const

export const RULE = Type.Object({
  path: Type.Optional(
    RecordPath({
      description:
        'Path of the values to redact. The rule applies to every value that the path matches. With `detect`, also to all values inside; without a path, to the whole record.',
    }),
  ),
  detect: Type.Optional(
    Type.Array(Choice(DETECTOR_NAMES, { description: 'A kind of value.' }), {
      minItems: 1,
      description:
        'Kinds of values to find inside strings. The action applies to the found part of a text, and the rest stays. See [Detectors](#detectors).',
    }),
  ),
  when: Type.Optional(
    RecordCondition({
      description:
        "Applies the rule only where these tests hold. Their paths begin in the innermost array element of the rule's path, or in the record if the path has no `[*]`: with the path `changes[*].{from,to}`, `field` is the field of the same change.",
    }),
  ),
  action: Choice(ACTIONS, {
    description:
      '`mask` writes a text. `drop` removes the member, or the found part. `hmac` writes a pseudonym, the same for the same value. `partial` hides all but a few characters. `truncate` cuts a text. `generalise` keeps the network of an address, the hour of a time, one decimal of coordinates. See docs/redaction.md.',
  }),
  key: Type.Optional(
    Secret({
      description:
        'The secret key of `hmac`, at least 16 bytes; `sluice new key` prints one. Pseudonyms made with different keys cannot be compared.',
    }),
  ),
  with: Type.Optional(Type.String({ description: 'The text that `mask` writes. Default: `[redacted]`.' })),
  keepFirst: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 64,
      description: 'How many characters `partial` keeps at the start. Default: 0.',
    }),
  ),
  keepLast: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 64,
      description: 'How many characters `partial` keeps at the end. Default: 0.',
    }),
  ),
  keepDomain: Type.Optional(
    Type.Boolean({ description: '`partial` keeps the domain of e-mail addresses, and hides only in the name.' }),
  ),
  length: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'How many characters `truncate` keeps.' }),
  ),
})

export type RuleConfig = Static<typeof RULE>

/** All values of a record. */
export const EVERYWHERE = '**'
