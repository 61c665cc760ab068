const DAYS = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

export function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : DAYS[month]
}

/**
 * Days of the Gregorian calendar, counted in years that begin in March so that the leap day comes
 * last.
 */
export function daysSince1970(year: number, month: number, day: number): number {
  const fromMarch = month > 2 ? year : year - 1
  const leapDays = Math.floor(fromMarch / 4) - Math.floor(fromMarch / 100) + Math.floor(fromMarch / 400)
  const monthDays = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5)
  return fromMarch * 365 + leapDays + monthDays + day - 1 - 719468
}
