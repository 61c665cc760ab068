import { HOUR } from '../../../time.ts'
import { readTimeSpelling } from '../../../record/json/time-spellings.ts'
import { parseInstantText } from '../../../record/json/instant.ts'
import { isAddress, networkOf, withoutZone } from '../detect/ip.ts'
import { makerOf } from '../detect/find-addresses.ts'

/**
 * Less of a value in the form that it has: an IP address becomes its /24 or /48 network (also with a
 * port or a prefix length), a hardware address its maker, a time its hour, coordinates one decimal.
 * Undefined for any other value. `text` is the text of a string or the spelling of a number.
 */
export function generalise(text: string, isNumber: boolean): string | undefined {
  if (text.length > LONGEST) return undefined
  if (isNumber) return generalCoordinates(text, true) ?? generalTime(text)
  return (
    generalAddress(text) ??
    (HARDWARE.test(text) ? makerOf(text) : undefined) ??
    generalCoordinates(text, false) ??
    generalTime(text)
  )
}

const LONGEST = 128
const HARDWARE =
  /^(?:[0-9A-F]{2}([:-])[0-9A-F]{2}(?:\1[0-9A-F]{2}){4}(?:(?:\1[0-9A-F]{2}){2})?|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4})$/i

/** `203.0.113.7`, `203.0.113.7:443`, `203.0.113.7/32`, `[2001:db8::1]:443`, `fe80::1%eth0`. */
function generalAddress(text: string): string | undefined {
  if (!text.includes(':') && !text.includes('.')) return undefined
  if (isAddress(text)) return networkOf(withoutZone(text))
  const parts = /^(\[?)([^\][/%]+)(?:%[^\]]+)?(\]?)(:\d{1,5}|\/\d{1,3})?$/.exec(text)
  if (parts === null) return undefined
  const [, open, address, close, rest = ''] = parts
  const host = open === '' && rest === '' ? /^(.+)(:\d{1,5})$/.exec(address) : null
  if (host !== null && isAddress(host[1]) && !host[1].includes(':')) return networkOf(host[1]) + host[2]
  if (!isAddress(address) || (open === '') !== (close === '')) return undefined
  const network = networkOf(address)
  if (!rest.startsWith('/')) return open + network + close + rest
  const bits = Math.min(Number(rest.slice(1)), address.includes(':') ? 48 : 24)
  return `${open}${network}${close}/${bits}`
}

const COORDINATE = /^-?\d{1,3}(?:\.\d{1,20})?$/
const PAIR = /^(-?\d{1,3}(?:\.\d{1,20})?)([,; ] ?)(-?\d{1,3}(?:\.\d{1,20})?)$/

/** Numbers from -180 to 180. */
function generalCoordinates(text: string, isNumber: boolean): string | undefined {
  const pair = isNumber ? null : PAIR.exec(text)
  if (pair !== null) {
    const [first, second] = [generalCoordinates(pair[1], false), generalCoordinates(pair[3], false)]
    return first === undefined || second === undefined ? undefined : first + pair[2] + second
  }
  if (!COORDINATE.test(text) || Math.abs(Number(text)) > 180) return undefined
  if (!text.includes('.')) return text
  const rounded = Number(text).toFixed(1)
  const plain = rounded === '-0.0' ? '0.0' : rounded
  return isNumber ? String(Number(plain)) : plain
}

const RFC3339 = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:)\d\d(?::\d\d(?:([.,])(\d+))?)?( ?(?:Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?$/
const OTHER_CLOCK = /(\d\d:)\d\d(?::\d\d(?:([.,])(\d+))?)?(?= |$)/
const DATE = /^\d{4}-\d\d-\d\d$/
const COMPACT = /^(\d{8}T?\d\d)(\d{4})(?:([.,])(\d+))?( ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?$/i
const EPOCH = /^([1-9]\d{8,18})(\.\d+)?$/

/**
 * A time with minutes and smaller units zero, in its spelling. The hour is the one of the zone that
 * the text names. An epoch time keeps its unit and loses its fraction.
 */
function generalTime(text: string): string | undefined {
  if (Number.isNaN(parseInstantText(text)) && readTimeSpelling(text) === undefined) return undefined
  if (DATE.test(text)) return text
  if (RFC3339.test(text)) {
    return text.replace(RFC3339, (whole: string, start: string, point = '', fraction = '', zone = '') => {
      const seconds = whole.slice(start.length).startsWith(':', 2) ? ':00' : ''
      return `${start}00${seconds}${point}${'0'.repeat(fraction.length)}${zone}`
    })
  }
  const epoch = EPOCH.exec(text)
  if (epoch !== null && epoch[1].length !== 14) return hourOfEpoch(epoch[1])
  const compact = COMPACT.exec(text)
  if (compact !== null) {
    const [, start, , point = '', fraction = '', zone = ''] = compact
    return `${start}0000${point}${'0'.repeat(fraction.length)}${zone}`
  }
  if (!OTHER_CLOCK.test(text)) return undefined
  return text.replace(OTHER_CLOCK, (clock: string, hour: string, point = '', fraction = '') => {
    const seconds = clock.startsWith(':', 5) ? ':00' : ''
    return `${hour}00${seconds}${point}${'0'.repeat(fraction.length)}`
  })
}

/** Seconds have 9 or 10 digits, and every smaller unit three more. */
function hourOfEpoch(digits: string): string {
  const unit = 10n ** BigInt(3 * Math.floor((digits.length - 9) / 3))
  const hour = BigInt(HOUR / 1000) * unit
  return String((BigInt(digits) / hour) * hour)
}
