import { Type } from '../fields/typebox.ts'
import type { Static } from 'typebox'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, RecordCondition, RecordPath, Secret } from '../fields/fields.ts'
import { Edit } from '../record/batch.ts'
import { compileGuard } from '../record/author/condition.ts'
import { formatPath, parsePath } from '../record/paths/grammar.ts'
import type { Paths } from '../record/paths/path.ts'
import { reaches } from '../record/paths/reaches.ts'
import type { Condition } from '../record/author/record.ts'
import { ValueKind } from '../record/scan.ts'
import { createPseudonyms, isPseudonym } from './redact/pseudonym.ts'
import { secretLists } from './redact/lists.ts'
import { plural } from '../observe/report.ts'
import { createRedactor } from './redact/redactor.ts'
import type { Rule, When } from './redact/redactor.ts'
import { ANY_KIND, SECRET_EFFECTS, secretRules } from './redact/secrets.ts'
import { MASK } from './redact/text.ts'

const RULE = Type.Object({
  path: RecordPath({
    description: 'Path of the values to redact. The rule applies to every value that the path matches.',
  }),
  when: Type.Optional(
    RecordCondition({
      description:
        "Applies the rule only where these tests hold. Their paths begin in the innermost array element of the rule's path, or in the record if the path has no `[*]`: with the path `changes[*].{from,to}`, `field` is the field of the same change.",
    }),
  ),
  action: Choice(['mask', 'drop', 'hmac'], {
    description:
      '`mask` replaces any value by a text. `drop` removes the member. `hmac` replaces the value by a pseudonym, `hmac:` and 32 hexadecimal digits, the same for the same value; null stays, and objects and arrays are masked.',
  }),
  key: Type.Optional(
    Secret({
      description:
        'The secret key of `hmac`, at least 16 bytes; `sluice new key` prints one. Pseudonyms made with different keys cannot be compared.',
    }),
  ),
  with: Type.Optional(Type.String({ description: 'The text that `mask` writes. Default: `[redacted]`.' })),
})

/**
 * Removes secrets and personal data from every record, including rejected records, wherever a
 * rule's path matches.
 *
 * A rule is a path, an action (an edit of the hit), and optionally a condition on values nearby.
 * The preset `secrets` is a list of rules like any other (`redact/secrets.ts`); it comes before the
 * author's rules. The rules act in order, so a later rule sees the replacement of an earlier one.
 *
 * `redact/redactor.ts` makes one pass over the hits of a batch. For each accept set it knows which
 * rules apply, so the cost depends on the hits, not on the number of rules. It parses nothing:
 * values are masked and deleted through edits. Duplicate keys are hits too, so every copy is
 * redacted; an edit of an object shadows everything inside it.
 *
 * A pseudonym (`hmac`) is a keyed HMAC of the text of a value. When a stored reject is replayed,
 * values that already are pseudonyms stay as they are, so a replay does not hash them twice.
 */
export default defineTransform({
  type: 'redact',
  summary: 'Masks, drops or pseudonymises values; by default secrets.',
  fields: {
    preset: Choice(['secrets', 'none'], {
      default: 'secrets',
      description:
        'Rules that apply before your own. `secrets` masks values under and beside secret names, secrets inside strings, and `command.payload`; booleans, null and times stay. See docs/redaction.md.',
    }),
    rules: Type.Array(RULE, {
      default: [],
      description: 'Your own rules, applied in order. `hmac` does not change a value that another rule has replaced.',
    }),
  },
  examples: [
    { title: 'Only secrets', config: {} },
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
  lists: secretLists,
  check: ({ preset, rules }) => findings(preset, rules),
  effectOn({ preset, rules }, paths) {
    const touches = ({ path }: { readonly path: string }) => paths.some((one) => reaches(path, one))
    const ofPreset = effectOfPreset(preset, paths)
    const own = rules.filter(touches)
    if (ofPreset.length === 0 && own.length === 0) return undefined
    const settings = { preset: ofPreset, rules: own.map(({ key: _key, ...rule }) => rule) }
    return { settings, secrets: own.flatMap(({ key }) => key ?? []) }
  },
  reusesBuffers: true,
  create({ preset, rules }, { paths, isRedacted = false }) {
    const masks = createMasks()
    const secrets = preset === 'secrets' ? secretRules(paths, masks(MASK)) : undefined
    const own = rules.map((rule) => compileRule(rule, { paths, masks, isRedacted }))
    const all = [...(secrets?.rules ?? []), ...own]
    const matches = new Float64Array(all.length)
    const first = all.length - own.length
    return {
      batch: createRedactor(all, secrets?.prepare, matches),
      ruleMatches: () => rules.map(({ path }, at) => ({ rule: `rules[${at}] ${path}`, matches: matches[first + at] })),
    }
  },
})

/** What of a preset can change the values at these paths. */
function effectOfPreset(preset: 'secrets' | 'none', paths: readonly string[]): string[] {
  if (preset === 'none') return []
  return SECRET_EFFECTS.filter((part) => paths.some((path) => part.touches(path))).map(({ name }) => name)
}

/** Of a random key: 128 bits. */
const MIN_KEY_BYTES = 16

const SCALAR_KINDS = ANY_KIND & ~(1 << ValueKind.object) & ~(1 << ValueKind.array)

type RuleConfig = Static<typeof RULE>

interface RuleOptions {
  readonly paths: Paths
  readonly masks: (text: string) => Rule['edit']
  readonly isRedacted: boolean
}

function compileRule(
  { path, when, action, key, with: text = MASK }: RuleConfig,
  { paths, masks, isRedacted }: RuleOptions,
): Rule {
  return {
    path: paths.add(path),
    kinds: ANY_KIND,
    ...(when && { when: compileWhen(path, when, paths) }),
    edit: createEdit(action, { mask: masks(text), key, isRedacted }),
  }
}

/**
 * Rules with the same mask text share one Buffer, so a batch needs one token for all of them
 * instead of one per value.
 */
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
  readonly isRedacted: boolean
}

function createEdit(action: RuleConfig['action'], { mask, key = '', isRedacted }: EditOptions): Rule['edit'] {
  if (action === 'mask') return mask
  if (action === 'drop') return () => Edit.delete
  const pseudonymOf = createPseudonyms(key)
  return (batch, hit) => {
    const kind = batch.kind(hit)
    // A pseudonym of a replacement would carry less information than the replacement.
    if (kind === ValueKind.null || batch.edits[hit] !== Edit.keep) return Edit.keep
    // The text of an object or array depends on its spelling, so its pseudonym would be
    // meaningless.
    if ((SCALAR_KINDS & (1 << kind)) === 0) return mask(batch, hit)
    const text = batch.text(hit)
    // Only in a replayed reject, which was redacted before. In other records anybody could write a
    // text that looks like a pseudonym.
    if (isRedacted && isPseudonym(text)) return Edit.keep
    return batch.token(pseudonymOf(text))
  }
}

/**
 * The paths of a condition begin in the innermost array element of the rule's path; without one, in
 * the record.
 */
function compileWhen(path: string, condition: Condition, paths: Paths): When {
  const segments = parsePath(path)
  const base = segments.slice(0, segments.findLastIndex(({ kind }) => kind === 'elements') + 1)
  const tests = Object.entries(condition).map(([near, test]) => ({
    path: paths.add(formatPath([...base, ...parsePath(near)])),
    holds: compileGuard(test),
  }))
  return { base: base.length === 0 ? undefined : paths.add(formatPath(base)), tests }
}

function* findings(preset: 'secrets' | 'none', rules: readonly RuleConfig[]): Generator<Finding> {
  if (preset === 'none' && rules.length === 0) {
    yield { at: ['preset'], message: 'nothing is redacted: no preset and no rules', severity: 'warning' }
  }
  for (const [index, { action, key, with: text }] of rules.entries()) {
    if (action === 'hmac' && key === undefined) {
      yield { at: ['rules', index, 'action'], message: 'hmac needs a key', hint: 'key: ${env:SLUICE_HMAC_KEY}' }
    }
    const bytes = Buffer.byteLength(key ?? '')
    if (action === 'hmac' && key !== undefined && bytes < MIN_KEY_BYTES) {
      yield {
        at: ['rules', index, 'key'],
        message: `the key has ${plural(bytes, 'byte')}, but at least ${MIN_KEY_BYTES} are needed: who guesses it can undo the pseudonyms`,
        hint: 'sluice new key prints a fresh one',
      }
    }
    if (action !== 'hmac' && key !== undefined) {
      yield { at: ['rules', index, 'key'], message: `key is only for hmac, but the action is ${action}` }
    }
    if (action !== 'mask' && text !== undefined) {
      yield { at: ['rules', index, 'with'], message: `with is only for mask, but the action is ${action}` }
    }
  }
}
