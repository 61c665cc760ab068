import { Type } from '../fields/typebox.ts'
import type { Static } from 'typebox'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, RecordCondition, RecordPath, Secret } from '../fields/fields.ts'
import { Edit } from '../record/batch.ts'
import { compileTest } from '../record/author/condition.ts'
import { formatPath, parsePath } from '../record/paths/grammar.ts'
import type { Paths } from '../record/paths/path.ts'
import type { Condition } from '../record/author/record.ts'
import { Kind } from '../record/scan.ts'
import { createPseudonyms, isPseudonym } from './redact/pseudonym.ts'
import { createRedactor } from './redact/redactor.ts'
import type { Rule, When } from './redact/redactor.ts'
import { ANY_KIND, secretRules } from './redact/secrets.ts'

const RULE = Type.Object({
  path: RecordPath({ description: 'The values that the rule is for, at every place where the path matches.' }),
  when: Type.Optional(
    RecordCondition({
      description:
        'Acts only where these tests hold. Under `[*]` their paths begin in the same array element: with the path `changes[*].{from,to}`, `field` is the field of the same change.',
    }),
  ),
  action: Choice(['mask', 'drop', 'hmac'], {
    description:
      '`mask` writes a text in its place, whatever the value is. `drop` removes the member. `hmac` writes a pseudonym, `hmac:` and 32 hexadecimal digits, the same for the same value; null stays, and objects and arrays are masked.',
  }),
  key: Type.Optional(
    Secret({ description: 'The secret of `hmac`: pseudonyms of different keys have nothing in common.' }),
  ),
  with: Type.Optional(Type.String({ description: 'The text that `mask` writes; by default `[redacted]`.' })),
})

/** Takes secrets and personal data out of every record, rejected ones included, at every place where they stand. */
export default defineTransform({
  type: 'redact',
  summary: 'Masks, drops or pseudonymises values; secrets by default.',
  fields: {
    preset: Choice(['secrets', 'none'], {
      default: 'secrets',
      description:
        'Rules that come before your own. `secrets` masks text, arrays and objects (but for objects of booleans) under keys that speak of passwords, tokens, keys and the like at any depth, both sides of a change of such a field, and `command.payload`.',
    }),
    rules: Type.Array(RULE, {
      default: [],
      description: 'Your own rules. They act one after the other; hmac leaves what another rule has replaced.',
    }),
  },
  examples: [
    { title: 'Secrets alone', config: {} },
    {
      title: 'Pseudonyms, and values that depend on their neighbours',
      config: {
        preset: 'secrets',
        rules: [
          { path: 'client_ip', action: 'hmac', key: '${env:SLUICE_HMAC_KEY}' },
          { path: 'geoip.{latitude,longitude}', action: 'drop' },
          { path: 'changes[*].{from,to}', when: { field: '/phone|address/i' }, action: 'mask', with: '[personal]' },
        ],
      },
    },
  ],
  check: ({ preset, rules }) => findings(preset, rules),
  reusesBuffers: true,
  create({ preset, rules }, { paths, isReplay = false }) {
    const masks = createMasks()
    const compiled = preset === 'secrets' ? secretRules(paths, masks(MASK)) : []
    for (const rule of rules) compiled.push(compileRule(rule, { paths, masks, isReplay }))
    return { batch: createRedactor(compiled) }
  },
})

const MASK = '[redacted]'
const SCALAR_KINDS = ANY_KIND & ~(1 << Kind.object) & ~(1 << Kind.array)

type RuleConfig = Static<typeof RULE>

interface RuleOptions {
  readonly paths: Paths
  readonly masks: (text: string) => Rule['edit']
  readonly isReplay: boolean
}

function compileRule(
  { path, when, action, key, with: text = MASK }: RuleConfig,
  { paths, masks, isReplay }: RuleOptions,
): Rule {
  return {
    path: paths.add(path),
    kinds: ANY_KIND,
    ...(when && { when: compileWhen(path, when, paths) }),
    edit: createEdit(action, { mask: masks(text), key, isReplay }),
  }
}

/** Rules that mask with the same text share its Buffer, and so a batch has one token for them, not one for each value. */
function createMasks(): (text: string) => Rule['edit'] {
  const known = new Map<string, Rule['edit']>()
  return (text) => {
    let mask = known.get(text)
    if (mask === undefined) {
      const json = Buffer.from(JSON.stringify(text))
      mask = (batch) => batch.token(json)
      known.set(text, mask)
    }
    return mask
  }
}

interface EditOptions {
  readonly mask: Rule['edit']
  readonly key: string | undefined
  readonly isReplay: boolean
}

function createEdit(action: RuleConfig['action'], { mask, key = '', isReplay }: EditOptions): Rule['edit'] {
  if (action === 'mask') return mask
  if (action === 'drop') return () => Edit.delete
  const pseudonymOf = createPseudonyms(key)
  return (batch, hit) => {
    const kind = batch.kind(hit)
    // A pseudonym of what has been replaced would say less than the replacement.
    if (kind === Kind.null || batch.edits[hit] !== Edit.keep) return Edit.keep
    // The text of a structure depends on its spelling: its pseudonym would mean nothing.
    if ((SCALAR_KINDS & (1 << kind)) === 0) return mask(batch, hit)
    const text = batch.text(hit)
    // Only of a record that was redacted before: anybody can write what looks like a pseudonym into an event.
    if (isReplay && isPseudonym(text)) return Edit.keep
    return batch.token(pseudonymOf(text))
  }
}

/** A condition's paths begin in the innermost array element of the rule's path, or else in the record. */
function compileWhen(path: string, condition: Condition, paths: Paths): When {
  const segments = parsePath(path)
  const base = segments.slice(0, segments.findLastIndex(({ kind }) => kind === 'elements') + 1)
  const tests = Object.entries(condition).map(([near, test]) => ({
    path: paths.add(formatPath([...base, ...parsePath(near)])),
    holds: compileTest(test),
  }))
  return { base: base.length === 0 ? undefined : paths.add(formatPath(base)), tests }
}

function* findings(preset: 'secrets' | 'none', rules: readonly RuleConfig[]): Generator<Finding> {
  if (preset === 'none' && rules.length === 0) {
    yield { at: ['preset'], message: 'nothing is redacted: there is no preset and no rule', severity: 'warning' }
  }
  for (const [index, { action, key, with: text }] of rules.entries()) {
    if (action === 'hmac' && key === undefined) {
      yield { at: ['rules', index, 'action'], message: 'hmac needs a key', hint: 'key: ${env:SLUICE_HMAC_KEY}' }
    }
    if (action === 'hmac' && key === '') yield { at: ['rules', index, 'key'], message: 'the key is empty' }
    if (action !== 'hmac' && key !== undefined) {
      yield { at: ['rules', index, 'key'], message: `a key is for hmac, and the action is ${action}` }
    }
    if (action !== 'mask' && text !== undefined) {
      yield { at: ['rules', index, 'with'], message: `with is for mask, and the action is ${action}` }
    }
  }
}
