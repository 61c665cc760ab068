import type { PipelineTest } from '../config/pipeline.ts'
import { recordOf } from '../delivery/rejects/reject-line.ts'
import { isMap, parseSpelled, sameSpelled } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import { asRecord, difference, differentKeys, spell, spellRecord } from './difference.ts'

type Expected = NonNullable<NonNullable<PipelineTest['expect']>['rejectObjects']>
type Actual = ReadonlyMap<string, readonly string[]>

/** The differences of the objects of rejects. Of a line, only the members that are expected count. */
export function compareRejectObjects(expected: Expected, actual: Actual): string[] {
  const keys = differentKeys('rejectObjects', Object.keys(expected), [...actual.keys()])
  const contents = Object.entries(expected).flatMap(([key, wanted]) => {
    const lines = actual.get(key)
    if (lines === undefined) return []
    const spelled = wanted.map((line, at) => spellLine(line, `expect.rejectObjects.${key}[${at}].record`))
    const found = lines.map((line, at) => membersOf(parseSpelled(line), spelled[at]))
    return sameSpelled(spelled, found) ? [] : [`rejects in ${key} differ\n${difference(spelled, found)}`]
  })
  return [...keys, ...contents]
}

/** The record may be JSON text, for numbers that YAML would round. */
function spellLine(line: Expected[string][number], place: string): Spelled {
  const spelled = spell(line)
  const { record } = line
  return isMap(spelled) && typeof record === 'string'
    ? new Map([...spelled, ['record', spellRecord(record, place)]])
    : spelled
}

/** The members of a line that the expected line has; of a line that nobody expects, those that tell most. */
function membersOf(line: Spelled, expected: Spelled | undefined): Spelled {
  if (!isMap(line)) return line
  const names = expected !== undefined && isMap(expected) ? new Set(expected.keys()) : SHOWN
  return new Map([...line].filter(([name]) => names.has(name)))
}

/** Not `id` and `digest`, which are others in each state. */
const SHOWN: ReadonlySet<string> = new Set(['code', 'stage', 'line', 'record', 'text', 'base64'])

/** What a test would expect of them. */
export function shownRejectObjects(actual: Actual, expected: Expected = {}): Expected {
  return Object.fromEntries(
    [...actual].map(([key, lines]) => [key, lines.map((line, at) => shownLine(line, expected[key]?.[at]))]),
  )
}

function shownLine(text: string, expected: Expected[string][number] | undefined): Expected[string][number] {
  const line: Expected[string][number] = JSON.parse(text)
  const record = recordOf(text)
  const names = expected === undefined ? SHOWN : new Set(Object.keys(expected))
  const exact = { ...line, ...(record !== undefined && { record: asRecord(record) }) }
  return Object.fromEntries(Object.entries(exact).filter(([name]) => names.has(name)))
}
