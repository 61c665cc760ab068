/** The JSON text of a value, or why a text has none. The problem contains nothing of the text. */
export type Parsed = { readonly json: Buffer } | { readonly problem: string }

/** The values of each key, in order. Keys come from records: no object has them as names. */
export type Pairs = Map<string, string | string[]>

export function addPair(pairs: Pairs, key: string, value: string): void {
  const known = pairs.get(key)
  if (known === undefined) pairs.set(key, value)
  else if (typeof known === 'string') pairs.set(key, [known, value])
  else known.push(value)
}

/** An object with the pairs as members. */
export function membersOf(pairs: Pairs): Buffer {
  const members = Array.from(pairs, ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return Buffer.from(`{${members.join(',')}}`)
}
