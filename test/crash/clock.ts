/** Options of Node.js that put the clock of a process ahead by so many milliseconds. */
export function clockAhead(by: number): readonly string[] {
  const source = `
const Real = Date
globalThis.Date = class extends Real {
  constructor(...values) {
    if (values.length === 0) super(Real.now() + ${by})
    else super(...values)
  }
  static now() {
    return Real.now() + ${by}
  }
}`
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
}
