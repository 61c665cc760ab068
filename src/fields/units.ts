import { SluiceError } from '../errors.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../time.ts'

const DURATIONS: Units = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY }
const SIZES: Units = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/**
 * `30s`, `5m`, `2h`, `90d`, `1h30m`, `250ms` -> milliseconds.
 * @throws SluiceError CONFIG_INVALID with the correct spelling as its hint
 */
export function parseDuration(text: string): number {
  if (/^(\d+(ms|[smhdw]))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+)(ms|[smhdw])/g)]
    const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (DURATIONS[unit ?? ''] ?? 0), 0)
    if (Number.isSafeInteger(total)) return total
  }
  throw new SluiceError('CONFIG_INVALID', `"${text}" is not a duration`, { hint: durationHint(text) })
}

/**
 * `500B`, `64KiB`, `128MiB`, `2GiB`, also decimal `10MB` -> bytes.
 * @throws SluiceError CONFIG_INVALID with the correct spelling as its hint
 */
export function parseSize(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([kKMGT]i?B|B)$/.exec(text) ?? []
  const bytes = Number(count) * (SIZES[unit ?? ''] ?? NaN)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new SluiceError('CONFIG_INVALID', `"${text}" is not a size`, { hint: sizeHint(text) })
}

/** Milliseconds in the notation of `parseDuration`, for example `1h30m`. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const count = Math.floor(rest / DURATIONS[unit])
    rest -= count * DURATIONS[unit]
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}

/** Bytes in the notation of `parseSize`, in the largest exact binary unit, for example `128MiB`. */
export function formatSize(bytes: number): string {
  const unit = ['TiB', 'GiB', 'MiB', 'KiB'].find((name) => bytes > 0 && bytes % SIZES[name] === 0) ?? 'B'
  return `${bytes / SIZES[unit]}${unit}`
}

type Units = { readonly [unit: string]: number }

function durationHint(text: string): string {
  const iso = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i.exec(text)
  if (iso !== null) {
    const units = ['w', 'd', 'h', 'm', 's']
    return `write "${units.map((unit, i) => (iso[i + 1] === undefined ? '' : iso[i + 1] + unit)).join('')}"`
  }
  if (/^\d+$/.test(text)) return `add a unit: "${text}s", "${text}m" or "${text}ms"`
  const words = [...text.matchAll(/(\d+)\s*([a-z]+)[\s,]*/gi)]
  const spelled = words.map(([, count, word]) => `${count}${unitOf(word ?? '', text)}`).join('')
  if (words.length > 0 && words.map(([all]) => all).join('') === text && /^(\d+(ms|[smhdw]))+$/.test(spelled)) {
    return spelled === text ? 'the duration is too long' : `did you mean "${spelled}"?`
  }
  return 'examples of durations: 250ms, 30s, 5m, 2h, 90d, 1h30m'
}

function unitOf(word: string, text: string): string {
  const lower = word.toLowerCase()
  if (/^(ms|msecs?|millis|milliseconds?)$/.test(lower)) return 'ms'
  if (/^(s|secs?|seconds?)$/.test(lower)) return 's'
  if (/^(m|mins?|minutes?)$/.test(lower)) return 'm'
  if (/^(h|hrs?|hours?)$/.test(lower)) return 'h'
  if (/^(d|days?)$/.test(lower)) return 'd'
  if (/^(w|weeks?)$/.test(lower)) return 'w'
  return `?${text}`
}

function sizeHint(text: string): string {
  if (/^\d+$/.test(text)) return `add a unit: "${text}B", "${text}KiB" or "${text}MiB"`
  const [, count, prefix = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b|ib?|bytes?)?$/i.exec(text) ?? []
  if (count === undefined) return 'examples of sizes: 500B, 64KiB, 128MiB, 2GiB, 10MB'
  const spelled = `${count}${prefix === '' ? 'B' : `${prefix.toUpperCase()}iB`}`
  return spelled === text ? 'a size must be a whole number of bytes' : `did you mean "${spelled}"?`
}
