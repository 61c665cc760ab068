/** Node.js options that set the clock of a process ahead, in milliseconds. */
export function clockAhead(by: number): readonly string[] {
  return withOffset(String(by))
}

/** Node.js options for a clock that jumps at every 50th reading: right, ahead, behind, right, … */
export function clockJumping(by: number): readonly string[] {
  return withOffset(`[0, ${by}, -${by}][Math.floor(readings++ / 50) % 3]`)
}

function withOffset(offset: string): readonly string[] {
  const source = `
const Real = Date
let readings = 0
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
