import { readFileSync } from 'node:fs'
import { fixture } from '../../support/paths.ts'

/** A value that varies between events. `more*` is additional text, which can be empty. */
export type Slot =
  | 'id'
  | 'timestamp'
  | 'organization'
  | 'version'
  | 'userName'
  | 'userId'
  | 'userEmail'
  | 'objectId'
  | 'ip'
  | 'host'
  | 'success'
  | 'moreChanges'
  | 'morePayload'
  | 'moreMembers'
  | 'moreMembersAndChanges'

/** Layout of an event: as the API sends it, with spaces between its tokens, or on several lines. */
export type Layout = 'compact' | 'spaced' | 'pretty'

/** The text of an event, split at its slots: `literals[0] slots[0] literals[1] … literals[n]`. */
export interface Template {
  readonly service: string
  readonly isRadius: boolean
  readonly literals: readonly string[]
  readonly slots: readonly Slot[]
}

/**
 * The fixture's events (test/fixtures/jumpcloud-events.ndjson) as templates, in the fixture's
 * order.
 */
export function loadTemplates(layout: Layout): Template[] {
  return fixtureEvents().map((event) => compileTemplate(event, layout))
}

/** Index in the fixture of the 1 KB event that `shape: one` repeats. */
export const ONE_KILOBYTE_TEMPLATE = 2

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Event = { [key: string]: Json }

let parsed: Event[] | undefined

function fixtureEvents(): Event[] {
  parsed ??= readFileSync(fixture('jumpcloud-events.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): Event => JSON.parse(line))
  return parsed
}

function compileTemplate(event: Event, layout: Layout): Template {
  const literals = ['']
  const slots: Slot[] = []
  const put = (text: string): void => {
    literals[literals.length - 1] += text
  }
  const splitAt = (slot: Slot): void => {
    slots.push(slot)
    literals.push('')
  }
  const { colon, comma, open, close, empty } = LAYOUTS[layout]

  function walk(value: Json, path: string, depth: number): void {
    const slot = slotOf(path, value)
    if (slot !== undefined) putSlot(slot)
    else if (typeof value === 'string') putString(value, path)
    else if (Array.isArray(value)) putMembers(value, path, depth)
    else if (value !== null && typeof value === 'object') putMembers(value, path, depth)
    else put(JSON.stringify(value))
  }

  function putMembers(value: Json[] | Event, path: string, depth: number): void {
    const brackets = Array.isArray(value) ? '[]' : '{}'
    const entries = Object.entries(value)
    if (entries.length === 0) return put(brackets[0] + empty + brackets[1])
    put(brackets[0] + open(depth + 1))
    entries.forEach(([key, member], at) => {
      if (at > 0) put(comma(depth + 1))
      if (!Array.isArray(value)) put(JSON.stringify(key) + colon)
      walk(member, path === '' ? key : `${path}.${key}`, depth + 1)
    })
    const more = moreOf(path, event)
    if (more !== undefined) splitAt(more)
    put(close(depth) + brackets[1])
  }

  function putSlot(slot: Slot): void {
    if (BARE_SLOTS.has(slot)) return splitAt(slot)
    put('"')
    splitAt(slot)
    put('"')
  }

  function putString(value: string, path: string): void {
    const { username } = event
    if (path !== 'message' || typeof username !== 'string') return put(JSON.stringify(value))
    JSON.stringify(value)
      .split(username)
      .forEach((part, at) => {
        if (at > 0) splitAt('userName')
        put(part)
      })
  }

  walk(event, '', 0)
  const service = typeof event['service'] === 'string' ? event['service'] : ''
  return { service, isRadius: service === 'radius', literals, slots }
}

/** Slots whose value includes its quotes, since it is not always a string. */
const BARE_SLOTS: ReadonlySet<Slot> = new Set<Slot>(['organization', 'version', 'success'])

function slotOf(path: string, value: Json): Slot | undefined {
  const byPath = SLOT_BY_PATH[path]
  if (byPath !== undefined) return UNCHANGED_UNLESS_TEXT.has(byPath) && typeof value !== 'string' ? undefined : byPath
  return typeof value === 'string' && /^[0-9a-f]{24}$/.test(value) ? 'objectId' : undefined
}

/** Slots that keep null and numeric values of the fixture. */
const UNCHANGED_UNLESS_TEXT: ReadonlySet<Slot> = new Set<Slot>(['organization', 'version'])

const SLOT_BY_PATH: Readonly<Record<string, Slot>> = {
  id: 'id',
  timestamp: 'timestamp',
  server_timestamp: 'timestamp',
  organization: 'organization',
  '@version': 'version',
  username: 'userName',
  client_ip: 'ip',
  success: 'success',
  'initiated_by.id': 'userId',
  'initiated_by.username': 'userName',
  'initiated_by.email': 'userEmail',
  'resource.username': 'userName',
  'system.hostname': 'host',
  'system.displayName': 'host',
}

function moreOf(path: string, event: Event): Slot | undefined {
  if (path === '') return 'changes' in event ? 'moreMembers' : 'moreMembersAndChanges'
  if (path === 'changes') return 'moreChanges'
  return path === 'command' && event['service'] === 'mdm' ? 'morePayload' : undefined
}

interface Punctuation {
  readonly colon: string
  readonly comma: (depth: number) => string
  readonly open: (depth: number) => string
  readonly close: (depth: number) => string
  readonly empty: string
}

const indent = (depth: number): string => '\n' + '  '.repeat(depth)

const LAYOUTS: Readonly<Record<Layout, Punctuation>> = {
  compact: { colon: ':', comma: () => ',', open: () => '', close: () => '', empty: '' },
  spaced: { colon: ' : ', comma: () => ', ', open: () => ' ', close: () => ' ', empty: ' ' },
  pretty: { colon: ': ', comma: (depth) => ',' + indent(depth), open: indent, close: indent, empty: '' },
}
