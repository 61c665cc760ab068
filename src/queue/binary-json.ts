/** A value of JSON and bytes, taken apart: JSON, and all bytes one after the other. */
export interface Packed {
  readonly json: Buffer
  readonly bytes: Buffer
}

/** Where bytes were in the value, and how many; -1 for `undefined` in a list, which JSON does not have. */
type Slot = readonly [path: readonly (string | number)[], length: number]

/** Takes a value apart whose leaves are JSON or `Uint8Array`. */
export function pack(value: unknown): Packed {
  const slots: Slot[] = []
  const parts: Uint8Array[] = []
  const strip = (node: unknown, path: readonly (string | number)[]): unknown => {
    if (node instanceof Uint8Array) {
      slots.push([path, node.length])
      parts.push(node)
      return null
    }
    if (node === undefined) slots.push([path, -1])
    if (Array.isArray(node)) return node.map((item: unknown, at) => strip(item, [...path, at]))
    if (node === null || typeof node !== 'object') return node
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, strip(item, [...path, key])]))
  }
  const stripped = strip(value, [])
  return { json: Buffer.from(JSON.stringify([stripped, slots])), bytes: Buffer.concat(parts) }
}

/** The value again. The bytes are views of `bytes`. The caller knows that `pack` has made it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function unpack<Value>({ json, bytes }: Packed): Value {
  const parsed: [Value, Slot[]] = JSON.parse(json.toString())
  const root = { value: parsed[0] }
  let offset = 0
  for (const [path, length] of parsed[1]) {
    let node: unknown = root
    const steps = ['value', ...path]
    for (const step of steps.slice(0, -1)) node = memberOf(node, step)
    const last = length < 0 ? undefined : bytes.subarray(offset, offset + length)
    if (typeof node === 'object' && node !== null) Reflect.set(node, steps.at(-1) ?? '', last)
    offset += Math.max(0, length)
  }
  return root.value
}

function memberOf(node: unknown, step: string | number): unknown {
  return typeof node === 'object' && node !== null ? Reflect.get(node, step) : undefined
}
