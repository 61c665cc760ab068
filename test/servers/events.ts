import { hash32, hex8, isAmong, mix32 } from './events/random.ts'
import { loadTemplates, ONE_KILOBYTE_TEMPLATE } from './events/template.ts'
import type { Layout, Slot, Template } from './events/template.ts'
import { createTimeline, formatMoment } from './events/timeline.ts'
import type { Moment } from './events/timeline.ts'
import { DAY } from '../../src/time.ts'

export interface EventOptions {
  readonly seed: number
  readonly count: number
  /** Timestamps are in `[start, end)`, epoch milliseconds. */
  readonly start: number
  readonly end: number
  /**
   * `one`: every event from one template of about 1 KB. `mixed` (default): all services, with the
   * variety of real events.
   */
  readonly shape?: 'one' | 'mixed'
  /** 24 hex digits. Default: derived from the seed. */
  readonly organization?: string
  /** Share of the indices that repeat an earlier event byte for byte, out of order. */
  readonly duplicates?: number
  /** Share of the events whose timestamp is moved `FUTURE_SHIFT` ahead, out of order. */
  readonly future?: number
  /**
   * Share of the events with spaces between their tokens. Default: 1 in 12 for `mixed`, none for
   * `one`.
   */
  readonly spaced?: number
}

/**
 * A set of JumpCloud events that is generated on demand: each is a pure function of the options and
 * its index (0 to count - 1). Equal options give equal events, in any order and any process.
 */
export interface EventSet {
  readonly count: number
  /** JSON text of the event, without a line end. `layout` overrides the event's own layout. */
  text(index: number, layout?: Layout): string
  /** Unique id: 24 lower-case hex digits, or an upper-case UUID for the service `radius`. */
  id(index: number): string
  /** The text of the event's timestamp. */
  timestamp(index: number): string
  service(index: number): string
  /** The timestamp in nanoseconds since the epoch. */
  instant(index: number): bigint
  /** The timestamp in whole epoch milliseconds. */
  millis(index: number): number
  /**
   * The index of the first event at or after an instant in nanoseconds, `count` if none. Sets
   * without `duplicates` and `future` only.
   */
  firstAt(instant: bigint): number
  /** True if the event at this index repeats an earlier one. */
  isDuplicate(index: number): boolean
}

/** Contained in every secret of `mixed` (changed passwords, command payloads), and nowhere else. */
export const SECRET_MARK = 'hunter2'

/** `future` moves a timestamp ahead by this many milliseconds. */
export const FUTURE_SHIFT = 30 * DAY

export function createEventSet(options: EventOptions): EventSet {
  const { seed, count, start, end, shape = 'mixed', duplicates = 0, future = 0 } = options
  const mixed = shape === 'mixed'
  const spaced = options.spaced ?? (mixed ? 1 / 12 : 0)
  const organization = options.organization ?? makeOrganizationId(seed)
  const timeline = createTimeline(seed, count, start, end)
  const pools = createPools(seed, mixed)
  const templates = lazyTemplates(mixed)
  const shapes = templates('compact')

  function originOf(index: number): number {
    let at = index
    while (isDuplicate(at)) at -= 1 + (hash32(seed, at, LANE_ORIGIN) % Math.min(at, DUPLICATE_REACH))
    return at
  }

  function isDuplicate(index: number): boolean {
    return index > 0 && isAmong(duplicates, seed, index, LANE_DUPLICATE)
  }

  function momentOf(origin: number): Moment {
    const moment = timeline(origin)
    if (!isAmong(future, seed, origin, LANE_FUTURE)) return moment
    return { ...moment, micros: moment.micros + FUTURE_SHIFT * 1000 }
  }

  function shapeOf(origin: number): number {
    return hash32(seed, origin, LANE_TEMPLATE) % shapes.length
  }

  function idOf(origin: number): string {
    const a = hash32(seed, origin, LANE_ID)
    const b = hash32(seed, origin, LANE_ID + 1)
    if (!shapes[shapeOf(origin)].isRadius) {
      const seconds = Math.floor(timeline(origin).micros / 1_000_000)
      const counter = (origin & 0xffffff).toString(16).padStart(6, '0')
      return hex8(seconds) + hex8(a) + hex8(b).slice(0, 2) + counter
    }
    const text = (hex8(a) + hex8(b) + hex8(hash32(seed, origin, LANE_ID + 2)) + hex8(origin)).toUpperCase()
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
  }

  function layoutOf(origin: number): Layout {
    return isAmong(spaced, seed, origin, LANE_LAYOUT) ? 'spaced' : 'compact'
  }

  function render(origin: number, layout: Layout): string {
    const { literals, slots } = templates(layout)[shapeOf(origin)]
    let state = hash32(seed, origin, LANE_VALUES)
    const draw = (): number => (state = mix32(state + 0x6d2b79f5))
    const user = pools.users[draw() % pools.users.length]

    function valueOf(slot: Slot): string {
      switch (slot) {
        case 'id':
          return idOf(origin)
        case 'timestamp':
          return formatMoment(momentOf(origin))
        case 'organization':
          return mixed && draw() % 50 === 0 ? 'null' : `"${organization}"`
        case 'version':
          return mixed && draw() % 20 === 0 ? '1' : '"1"'
        case 'userName':
          return user.name
        case 'userId':
          return user.id
        case 'userEmail':
          return user.email
        case 'objectId':
          return pools.objectIds[draw() % pools.objectIds.length]
        case 'ip':
          return `10.${draw() & 255}.${draw() & 255}.${draw() & 255}`
        case 'host':
          return user.host
        case 'success':
          return draw() % 10 === 0 ? 'false' : 'true'
        case 'moreChanges':
          return mixed && draw() % 3 === 0 ? `,${changeText(draw())}` : ''
        case 'morePayload':
          return mixed ? payloadText(draw()) : ''
        default:
          return mixed ? moreMembers(slot) : ''
      }
    }

    function moreMembers(slot: 'moreMembers' | 'moreMembersAndChanges'): string {
      if (draw() % 8 === 0) return UNUSUAL_MEMBERS[draw() % UNUSUAL_MEMBERS.length]
      return slot === 'moreMembersAndChanges' && draw() % 8 === 0 ? `,"changes":[${changeText(draw())}]` : ''
    }

    let text = literals[0]
    for (let at = 0; at < slots.length; at++) text += valueOf(slots[at]) + literals[at + 1]
    return text
  }

  return {
    count,
    isDuplicate,
    text(index, layout) {
      const origin = originOf(index)
      return render(origin, layout ?? layoutOf(origin))
    },
    id: (index) => idOf(originOf(index)),
    timestamp: (index) => formatMoment(momentOf(originOf(index))),
    service: (index) => shapes[shapeOf(originOf(index))].service,
    instant(index) {
      const { micros, nanos } = momentOf(originOf(index))
      return BigInt(micros) * 1000n + BigInt(nanos)
    },
    millis: (index) => Math.floor(momentOf(originOf(index)).micros / 1000),
    firstAt(instant) {
      if (duplicates > 0 || future > 0) throw new Error('firstAt needs events in order: no duplicates, no future')
      let low = 0
      let high = count
      while (low < high) {
        const middle = (low + high) >>> 1
        if (this.instant(middle) < instant) low = middle + 1
        else high = middle
      }
      return low
    },
  }
}

/** The organization id (24 hex digits) of a seed. */
export function makeOrganizationId(seed: number): string {
  return hex8(hash32(seed, 0, LANE_POOL)) + hex8(hash32(seed, 1, LANE_POOL)) + hex8(hash32(seed, 2, LANE_POOL))
}

/**
 * A duplicate comes at most this many indices after its original, or after another duplicate of it.
 */
const DUPLICATE_REACH = 10_000

const LANE_TEMPLATE = 10
const LANE_ID = 11
const LANE_VALUES = 14
const LANE_LAYOUT = 15
const LANE_DUPLICATE = 16
const LANE_ORIGIN = 17
const LANE_FUTURE = 18
const LANE_POOL = 19

function lazyTemplates(mixed: boolean): (layout: Layout) => readonly Template[] {
  const loaded: Partial<Record<Layout, readonly Template[]>> = {}
  return (layout) => {
    const all = loaded[layout] ?? loadTemplates(layout)
    return (loaded[layout] ??= mixed ? all : [all[ONE_KILOBYTE_TEMPLATE]])
  }
}

interface User {
  readonly id: string
  /** Escaped for a JSON string. */
  readonly name: string
  readonly email: string
  readonly host: string
}

interface Pools {
  readonly users: readonly User[]
  readonly objectIds: readonly string[]
}

function createPools(seed: number, mixed: boolean): Pools {
  const makeId = (n: number, lane: number): string =>
    hex8(0x5c000000 + n * 257) + hex8(hash32(seed, n, lane)) + hex8(hash32(seed, n, lane + 1))
  const users = Array.from({ length: 2000 }, (_, n): User => {
    const plain = `user${String(n).padStart(4, '0')}`
    const name = mixed && n % 16 === 0 ? `${UNUSUAL_NAMES[(n / 16) % UNUSUAL_NAMES.length]}${n}` : plain
    return { id: makeId(n, LANE_POOL + 1), name, email: `${plain}@example.com`, host: `${plain}-macbook.local` }
  })
  return { users, objectIds: Array.from({ length: 4096 }, (_, n) => makeId(n, LANE_POOL + 3)) }
}

const UNUSUAL_NAMES = [
  'José',
  'Zoë ',
  '李雷',
  'o\\"brien',
  'DOM\\\\user',
  'caf\\u00e9',
  'Ł\\/ukasz',
  '😀',
  '\\ud83d\\ude00',
]

/**
 * Undocumented members, each with its comma: numbers beyond a double, escapes, non-ASCII, null and
 * empty values.
 */
const UNUSUAL_MEMBERS = [
  ',"unknown_counter":9007199254740993,"unknown_ratio":1.10,"unknown_exponent":1E+2',
  ',"unknown_note":"tab\\t line\\n quote \\" slash \\/ backslash \\\\ \\u00e9 é \\ud83d\\ude00 😀"',
  ',"unknown_null":null,"unknown_empty":"","unknown_object":{},"unknown_list":[]',
  ',"unknown_city":"Zürich — 東京","unknown_\\u006bey":[[1,2],[{"deep":[null,true,false]}]]',
  ',"unknown_path":"C:\\\\Windows\\\\System32\\\\cmd.exe"',
]

function changeText(draw: number): string {
  const n = draw >>> 8
  switch (draw % 4) {
    case 0:
      return `{"field":"password","from":"${SECRET_MARK}-old-${n}","to":"${SECRET_MARK}-new-${n}"}`
    case 1:
      return `{"field":"password","to":"${SECRET_MARK}-${n}"}`
    case 2:
      return `{"field":"attributes","from":[{"name":"dept","value":"x"}],"to":[{"name":"dept","value":"y"}]}`
    default:
      return `{"field":"costCenter","from":null,"to":${n}}`
  }
}

/**
 * Mostly empty. One in 8 has a short payload, one in 100 a payload of about 70 KB, like the largest
 * events seen so far.
 */
function payloadText(draw: number): string {
  if (draw % 100 === 0) return `,"payload":"${SECRET_MARK}-${'QUJDREVGR0hJSktMTU5P'.repeat(3500)}"`
  return draw % 8 === 1 ? `,"payload":"${SECRET_MARK}-${draw}"` : ''
}
