import { distance } from 'fastest-levenshtein'

/**
 * The legal word that was most likely meant, or undefined if none is close. A word is close if at
 * most 2 in 5 characters differ, ignoring case, or if it has the same letters in a different order.
 */
export function closest(word: string, legal: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length * 0.4)) + 1
  for (const candidate of legal) {
    const candidateDistance = typoDistance(word.toLowerCase(), candidate.toLowerCase())
    if (candidateDistance >= bestDistance) continue
    best = candidate
    bestDistance = candidateDistance
  }
  return best
}

function typoDistance(word: string, candidate: string): number {
  return lettersOf(word) === lettersOf(candidate) ? Math.min(1, distance(word, candidate)) : distance(word, candidate)
}

function lettersOf(word: string): string {
  return word.split('').toSorted().join('')
}

/** `did you mean "bucket"? known keys: bucket, key, region, ...` */
export function suggest(word: string, legal: readonly string[], label: string): string {
  const near = closest(word, legal)
  const shown = legal.slice(0, MAX_SHOWN).join(', ')
  const known = `${label}: ${shown}${legal.length > MAX_SHOWN ? ', ...' : ''}`
  return near === undefined ? known : `did you mean "${near}"? ${known}`
}

const MAX_SHOWN = 12
