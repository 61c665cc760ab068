import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice } from '../fields/fields.ts'
import { compileGuard } from '../record/author/condition.ts'
import { formatPath, parsePath } from '../record/paths/grammar.ts'
import type { Paths } from '../record/paths/path.ts'
import { reaches } from '../record/paths/reaches.ts'
import type { Condition } from '../record/author/record.ts'
import { detectRule } from './redact/detect/detect-rule.ts'
import { findings } from './redact/findings.ts'
import { redactLists } from './redact/lists.ts'
import { SearchedText } from './redact/detect/searched-text.ts'
import { createRedactor } from './redact/redactor.ts'
import type { Rule, When } from './redact/redactor.ts'
import { EVERYWHERE, RULE } from './redact/rule-config.ts'
import type { RuleConfig } from './redact/rule-config.ts'
import { ANY_KIND, SECRET_EFFECTS, secretRules } from './redact/secrets.ts'
import { MASK } from './redact/text.ts'
import { createValueEdit } from './redact/value-edit.ts'

/**
 * Removes secrets and personal data from every record, including rejected records, wherever a
 * rule's path matches.
 *
 * A rule is a path, an action (an edit of the hit), and optionally a condition on values nearby. A
 * rule with `detect` edits the parts of strings that detectors find (`redact/detect/`).
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
  summary: 'Masks, drops, shortens or pseudonymises values and what it finds in texts; by default secrets.',
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
    {
      title: 'Personal data in texts: found addresses and card numbers',
      config: {
        rules: [
          { detect: ['email'], action: 'hmac', key: '${env:SLUICE_HMAC_KEY}' },
          { detect: ['ipv4', 'ipv6'], action: 'generalise' },
          { detect: ['card'], action: 'partial', keepLast: 4 },
          { path: 'message', detect: ['iban'], action: 'mask' },
        ],
      },
    },
    {
      title: 'Less of a value',
      config: {
        preset: 'none',
        rules: [
          { path: 'user.email', action: 'partial', keepFirst: 1, keepDomain: true },
          { path: 'client_ip', action: 'generalise' },
          { path: 'geoip.{latitude,longitude}', action: 'generalise' },
          { path: 'last_seen', action: 'generalise' },
          { path: 'user_agent', action: 'truncate', length: 80 },
        ],
      },
    },
  ],
  lists: redactLists,
  check: ({ preset, rules }) => findings(preset, rules),
  effectOn({ preset, rules }, paths) {
    const touches = ({ path = EVERYWHERE }: RuleConfig) => paths.some((one) => reaches(path, one))
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
    const texts = new Set([MASK, ...rules.flatMap((rule) => rule.with ?? [])])
    const searched = new SearchedText()
    const own = rules.map((rule) => compileRule(rule, { paths, masks, texts, searched, isRedacted }))
    const all = [...(secrets?.rules ?? []), ...own]
    const matches = new Float64Array(all.length)
    const first = all.length - own.length
    const redact = createRedactor(all, secrets?.prepare, matches)
    return {
      batch(batch) {
        redact(batch)
        searched.leave()
      },
      ruleMatches: () =>
        rules.map((rule, at) => ({
          rule: `rules[${at}] ${nameOf(rule)}`,
          matches: matches[first + at],
          ...(rule.detect !== undefined && { searches: true }),
        })),
    }
  },
})

/** What of a preset can change the values at these paths. */
function effectOfPreset(preset: 'secrets' | 'none', paths: readonly string[]): string[] {
  if (preset === 'none') return []
  return SECRET_EFFECTS.filter((part) => paths.some((path) => part.touches(path))).map(({ name }) => name)
}

/** A rule in reports. */
function nameOf({ path, detect }: RuleConfig): string {
  return [...(path === undefined ? [] : [path]), ...(detect === undefined ? [] : [detect.join(', ')])].join(' ')
}

interface RuleOptions {
  readonly paths: Paths
  readonly masks: (text: string) => Rule['edit']
  /** The texts of all masks. */
  readonly texts: ReadonlySet<string>
  readonly searched: SearchedText
  readonly isRedacted: boolean
}

function compileRule(rule: RuleConfig, { paths, masks, texts, searched, isRedacted }: RuleOptions): Rule {
  const { path = EVERYWHERE, detect, when, with: text = MASK } = rule
  const condition = when && { when: compileWhen(path, when, paths) }
  if (detect !== undefined) return { ...detectRule(rule, detect, { paths, searched }), ...condition }
  const edit = createValueEdit(rule, { mask: masks(text), fallback: masks(MASK), masks: texts, isRedacted })
  return { paths: [paths.add(path)], kinds: ANY_KIND, ...condition, edit }
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
