/**
 * How far our clock is ahead of the `date` of a response that was just received, in milliseconds;
 * negative if it is slow. Dates are whole seconds, so a difference of up to one is none. Undefined
 * without a date, and for what a cache had.
 */
export function clockAhead(
  headers: { readonly [name: string]: string | string[] | undefined },
  now: number,
): number | undefined {
  const { date, age } = headers
  const sent = typeof date === 'string' && age === undefined ? Date.parse(date) : NaN
  if (Number.isNaN(sent)) return undefined
  const ahead = now - sent
  return Math.abs(ahead) <= 1000 ? 0 : Math.round(ahead / 1000) * 1000
}
