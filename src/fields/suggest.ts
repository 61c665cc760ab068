import { distance } from 'fastest-levenshtein'

/** The word that was most likely meant, or undefined when none is near: at most 2 wrong characters in 5, case aside, or the same letters in another order. */
export function closest(word: string, legal: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length * 0.4)) + 1
  for (const candidate of legal) {
    const away = awayFrom(word.toLowerCase(), candidate.toLowerCase())
    if (away >= bestDistance) continue
    best = candidate
    bestDistance = away
  }
  return best
}

function awayFrom(word: string, candidate: string): number {
  return lettersOf(word) === lettersOf(candidate) ? Math.min(1, distance(word, candidate)) : distance(word, candidate)
}

function lettersOf(word: string): string {
  return word.split('').toSorted().join('')
}

/** `did you mean "bucket"? known keys: bucket, key, region, ...` */
export function suggest(word: string, legal: readonly string[], label: string): string {
  const meant = closest(word, legal)
  const shown = legal.slice(0, SHOWN).join(', ')
  const known = `${label}: ${shown}${legal.length > SHOWN ? ', ...' : ''}`
  return meant === undefined ? known : `did you mean "${meant}"? ${known}`
}

const SHOWN = 12
