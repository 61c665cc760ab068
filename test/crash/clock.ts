/** Options of Node.js that put the clock of a process ahead by so many milliseconds. */
export function clockAhead(by: number): readonly string[] {
  return withOffset(String(by))
}

/** The same for a clock that is right, ahead and behind by turns: it jumps at every 50th look. */
export function clockJumping(by: number): readonly string[] {
  return withOffset(`[0, ${by}, -${by}][Math.floor(looks++ / 50) % 3]`)
}

function withOffset(offset: string): readonly string[] {
  const source = `
const Real = Date
let looks = 0
globalThis.Date = class extends Real {
  constructor(...values) {
    if (values.length === 0) super(Date.now())
    else super(...values)
  }
  static now() {
    return Real.now() + ${offset}
  }
}`
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
}
