import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../errors.ts'
import type { Automaton } from './paths/automaton.ts'
import { fastScanner } from './fast-scanner.ts'
import type { Paths } from './paths/path.ts'
import { defaultLimits, MAX_HITS, MAX_RECORDS } from './record-index.ts'
import type { RecordIndex, ScanLimits, ScanTask } from './record-index.ts'
import { scanLines as scanInTypeScript } from './scan-typescript.ts'

export {
  defaultLimits,
  DUPLICATE_KEYS,
  Fault,
  FAULT_MASK,
  HIT_STRIDE,
  Kind,
  MAX_HITS,
  MAX_RECORDS,
  RECORD_STRIDE,
} from './record-index.ts'
export type { RecordIndex, ScanLimits } from './record-index.ts'

/**
 * Scans whole NDJSON lines (each ends in a line feed) by the complete grammar of RFC 8259. Pure: the bytes are not changed, the index is a
 * copy of its own. Stops at a line border where the index is full, but covers at least one line.
 *
 * Two scanners with the same results stand behind it: one in WebAssembly, and one in TypeScript for what that one cannot do.
 */
export function scan(bytes: Buffer, paths: Paths, limits: ScanLimits = defaultLimits): RecordIndex {
  const task: ScanTask = { bytes, limits, utf8: isUtf8(bytes), maxRecords: MAX_RECORDS, maxHits: MAX_HITS }
  const index = scanLines(task, paths.automaton())
  // The automaton overflowed in the very first record: that record has a new one for itself.
  return index.scanned > 0 || bytes.length === 0
    ? index
    : scanInTypeScript({ ...task, maxRecords: 1 }, paths.automaton(), true)
}

/** The same without a capacity, for bytes that an index has covered already. @throws SluiceError when the paths are too many to number. */
export function scanWhole(bytes: Buffer, paths: Paths, limits: ScanLimits): RecordIndex {
  const task: ScanTask = { bytes, limits, utf8: isUtf8(bytes), maxRecords: Infinity, maxHits: Infinity }
  let index = scanLines(task, paths.automaton())
  if (index.scanned < bytes.length) index = scanLines(task, paths.automaton())
  if (index.scanned === bytes.length) return index
  throw new SluiceError(
    'UNSUPPORTED',
    `${paths.size} paths match the keys of one batch in too many combinations: ask for fewer`,
  )
}

function scanLines(task: ScanTask, automaton: Automaton): RecordIndex {
  return fastScanner()?.scanLines(task, automaton) ?? scanInTypeScript(task, automaton)
}
