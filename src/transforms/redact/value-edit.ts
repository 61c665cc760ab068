import { Edit } from '../../record/batch.ts'
import { HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import { generalise } from './actions/generalise.ts'
import { ipv4Network } from './actions/ipv4-network.ts'
import { partOf } from './actions/partial.ts'
import { createPseudonyms, isPseudonym } from './pseudonym.ts'
import type { Rule } from './redactor.ts'
import { RememberedTokens } from './remembered.ts'
import type { RuleConfig } from './rule-config.ts'
import { TEXT, TEXT_OR_NUMBER } from './secrets.ts'

interface EditOptions {
  /** What `mask` writes in this rule. */
  readonly mask: Rule['edit']
  /** What stands for a value that the action can do nothing with. */
  readonly fallback: Rule['edit']
  /** The texts that masks write: in a replayed reject, such a value is one. */
  readonly masks: ReadonlySet<string>
  readonly isRedacted: boolean
}

/** The edit of a rule for whole values. */
export function createValueEdit(rule: RuleConfig, options: EditOptions): Rule['edit'] {
  const { mask, fallback } = options
  switch (rule.action) {
    case 'mask':
      return mask
    case 'drop':
      return () => Edit.delete
    case 'hmac': {
      const pseudonymOf = createPseudonyms(rule.key ?? '')
      return unlessReplaced(options, (batch, hit) => {
        // The text of an object or array depends on its spelling, so its pseudonym would be
        // meaningless.
        if ((SCALARS & (1 << batch.kind(hit))) === 0) return fallback(batch, hit)
        return batch.token(pseudonymOf(batch.text(hit)))
      })
    }
    case 'partial':
      return unlessReplaced(
        options,
        createMaking((text) => json(text, partOf(text, rule)), fallback),
      )
    case 'generalise':
      return unlessReplaced(options, createGeneralisation(fallback))
    default:
      return createTruncation(rule.length ?? 0, fallback)
  }
}

/** Stands for a value that stays as it is. */
const SAME = Buffer.alloc(0)

/** What was made of a text, as JSON. */
function json(text: string, made: string | undefined): Buffer | undefined {
  if (made === undefined) return undefined
  return made === text ? SAME : Buffer.from(JSON.stringify(made))
}

/**
 * Replaces strings and numbers by what `make` makes of their text; `fallback` replaces other values,
 * and those of which it makes undefined. Values repeat, so what was made of them is remembered.
 */
function createMaking(
  make: (text: string, isNumber: boolean) => Buffer | undefined,
  fallback: Rule['edit'],
): Rule['edit'] {
  const known = new RememberedTokens()
  return (batch, hit) => {
    const kind = 1 << batch.kind(hit)
    if ((TEXT_OR_NUMBER & kind) === 0) return fallback(batch, hit)
    const { bytes, index } = batch
    const start = index.hits[HIT_STRIDE * hit + 2]
    const end = index.hits[HIT_STRIDE * hit + 3]
    let made: Buffer | undefined
    if (known.has(bytes, start, end)) {
      made = known.token
    } else {
      made = make(batch.text(hit), (TEXT & kind) === 0)
      known.add(bytes, start, end, made)
    }
    if (made === undefined) return fallback(batch, hit)
    return made === SAME ? Edit.keep : batch.token(made)
  }
}

function createGeneralisation(fallback: Rule['edit']): Rule['edit'] {
  const others = createMaking((text, isNumber) => {
    const general = generalise(text, isNumber)
    return isNumber && general !== undefined && general !== text ? Buffer.from(general) : json(text, general)
  }, fallback)
  return (batch, hit) => {
    if (batch.kind(hit) !== ValueKind.string) return others(batch, hit)
    const { bytes, index } = batch
    const start = index.hits[HIT_STRIDE * hit + 2]
    const end = index.hits[HIT_STRIDE * hit + 3]
    return ipv4Network(batch, bytes, start + 1, end - 1) ?? others(batch, hit)
  }
}

const SCALARS = ~((1 << ValueKind.object) | (1 << ValueKind.array))

/** Leaves null, and values that a rule has replaced: a replacement says less than what is made of it. */
function unlessReplaced({ masks, isRedacted }: EditOptions, edit: Rule['edit']): Rule['edit'] {
  return (batch, hit) => {
    if (batch.kind(hit) === ValueKind.null || batch.edits[hit] !== Edit.keep) return Edit.keep
    // Only in a replayed reject, which was redacted before. In other records anybody could write a
    // text that looks like a pseudonym.
    if (isRedacted) {
      const text = batch.text(hit)
      if (isPseudonym(text) || masks.has(text)) return Edit.keep
    }
    return edit(batch, hit)
  }
}

/**
 * Keeps the first characters (code points) of a text, also of a text that a rule has replaced. A
 * number that is longer would become another number, so it is masked, as objects and arrays are.
 */
function createTruncation(length: number, fallback: Rule['edit']): Rule['edit'] {
  return (batch, hit) => {
    const kind = 1 << batch.kind(hit)
    if ((SCALARS & kind) === 0) return fallback(batch, hit)
    if ((TEXT_OR_NUMBER & kind) === 0) return Edit.keep
    // A value has as many bytes as characters, or more.
    const { hits } = batch.index
    const isUnedited = batch.edits[hit] === Edit.keep
    if (isUnedited && hits[HIT_STRIDE * hit + 3] - hits[HIT_STRIDE * hit + 2] <= length) return Edit.keep
    const text = batch.text(hit)
    const end = endOf(text, length)
    if (end === text.length) return Edit.keep
    if ((TEXT & kind) === 0) return fallback(batch, hit)
    return batch.token(Buffer.from(JSON.stringify(text.slice(0, end))))
  }
}

/** The end of the first characters of a text, in UTF-16 units. */
function endOf(text: string, characters: number): number {
  if (text.length <= characters) return text.length
  let end = 0
  for (let count = 0; count < characters && end < text.length; count++) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  }
  return end
}
