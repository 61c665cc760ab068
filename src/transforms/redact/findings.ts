import type { Finding } from '../../component.ts'
import { plural } from '../../observe/report.ts'
import { detectorOf } from './detect/detector.ts'
import type { RuleConfig } from './rule-config.ts'

/** Of a random key: 128 bits. */
const MIN_KEY_BYTES = 16

/** The action that each option belongs to. */
const OPTIONS = [
  ['key', 'hmac'],
  ['with', 'mask'],
  ['keepFirst', 'partial'],
  ['keepLast', 'partial'],
  ['keepDomain', 'partial'],
  ['length', 'truncate'],
] as const

/** The mistakes in the rules of a `redact`. */
export function* findings(preset: 'secrets' | 'none', rules: readonly RuleConfig[]): Generator<Finding> {
  if (preset === 'none' && rules.length === 0) {
    yield { at: ['preset'], message: 'nothing is redacted: no preset and no rules', severity: 'warning' }
  }
  for (const [index, rule] of rules.entries()) {
    for (const { at, ...finding } of findingsOf(rule)) yield { at: ['rules', index, ...at], ...finding }
  }
}

function* findingsOf(rule: RuleConfig): Generator<Finding> {
  const { path, detect, action } = rule
  if (path === undefined && detect === undefined) {
    yield {
      at: ['action'],
      message: `${action} needs a path`,
      hint: 'path: user.email, or detect: [email] to search all texts',
    }
  }
  for (const [option, of] of OPTIONS) {
    if (rule[option] !== undefined && action !== of)
      yield { at: [option], message: `${option} is only for ${of}, but the action is ${action}` }
  }
  if (action === 'hmac') yield* keyFindings(rule)
  if (action === 'partial') yield* partialFindings(rule)
  if (action === 'truncate' && rule.length === undefined) {
    yield { at: ['action'], message: 'truncate needs a length', hint: 'length: 100' }
  }
  if (detect !== undefined) yield* detectFindings(rule, detect)
}

function* keyFindings({ key }: RuleConfig): Generator<Finding> {
  if (key === undefined) {
    yield { at: ['action'], message: 'hmac needs a key', hint: 'key: ${env:SLUICE_HMAC_KEY}' }
    return
  }
  const bytes = Buffer.byteLength(key)
  if (bytes >= MIN_KEY_BYTES) return
  yield {
    at: ['key'],
    message: `the key has ${plural(bytes, 'byte')}, but at least ${MIN_KEY_BYTES} are needed: who guesses it can undo the pseudonyms`,
    hint: 'sluice new key prints a fresh one',
  }
}

function* partialFindings({ keepFirst = 0, keepLast = 0, keepDomain = false, detect }: RuleConfig): Generator<Finding> {
  if (keepFirst + keepLast === 0 && !keepDomain) {
    yield {
      at: ['action'],
      message: 'partial keeps nothing',
      hint: 'keepFirst: 2, keepLast: 4 or keepDomain: true; or the action mask',
    }
  }
  if (keepDomain && detect !== undefined && !detect.includes('email')) {
    yield { at: ['keepDomain'], message: 'keepDomain is for e-mail addresses, but detect has no email' }
  }
}

function* detectFindings({ action }: RuleConfig, detect: NonNullable<RuleConfig['detect']>): Generator<Finding> {
  if (action === 'truncate') {
    yield {
      at: ['action'],
      message: 'truncate is for whole values, and detect finds parts of them',
      hint: 'partial with keepFirst',
    }
  }
  for (const [index, name] of detect.entries()) {
    if (detect.indexOf(name) < index) {
      yield { at: ['detect', index], message: `${name} is in the list twice`, severity: 'warning' }
    }
    if (action === 'generalise' && detectorOf(name).generalise === undefined) {
      yield {
        at: ['detect', index],
        message: `generalise has no form for ${name}: it is for ipv4, ipv6 and mac`,
        hint: 'a rule of its own with another action, such as mask or hmac',
      }
    }
  }
}
