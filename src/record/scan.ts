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
  LineFault,
  FAULT_MASK,
  HIT_STRIDE,
  ValueKind,
  MAX_HITS,
  MAX_RECORDS,
  RECORD_STRIDE,
} from './record-index.ts'
export type { RecordIndex, ScanLimits } from './record-index.ts'

/**
 * Scans whole NDJSON lines (each ends in a line feed) in one pass and returns their index: where
 * each record begins and ends, what is wrong with a faulty line, and where the values of the
 * pipeline's paths are. It checks the complete JSON grammar of RFC 8259, the nesting depth, the
 * line length and UTF-8. It is pure: it does not change the bytes and keeps no reference to them.
 *
 * Why an index and not objects: parsing, validating, changing and printing an event of 1 KB as an
 * object takes about 10 µs, most of it to create and collect objects that nobody needs. Stages read
 * and edit the bytes through the index instead.
 *
 * The scanner knows no path syntax. It walks the automaton of `paths/automaton.ts`: for each member
 * it looks up the transition of (state, raw key bytes), and records a hit if the new state accepts
 * any path.
 *
 * There are two scanners with identical results. `wasm/scanner.ts` uses WebAssembly with SIMD and
 * works in a fixed memory. `scan-typescript.ts` is the reference, the fallback where WebAssembly
 * does not load (`fast-scanner.ts` decides), and takes over what exceeds the fixed memory.
 *
 * Hostile input is normal input: a line that is invalid, too long or too deep gets a `LineFault`
 * and never throws. The scan stops at a line border when the index is full, but covers at least one
 * line; the caller scans the rest into another index.
 */
export function scan(bytes: Buffer, paths: Paths, limits: ScanLimits = defaultLimits): RecordIndex {
  const task: ScanTask = { bytes, limits, utf8: isUtf8(bytes), maxRecords: MAX_RECORDS, maxHits: MAX_HITS }
  const index = scanLines(task, paths.automaton())
  // The automaton overflowed in the very first record. Scan that record alone, with a new
  // automaton.
  return index.scanned > 0 || bytes.length === 0
    ? index
    : scanInTypeScript({ ...task, maxRecords: 1 }, paths.automaton(), true)
}

/**
 * Scans all bytes into one index of any size, for bytes that one index has covered before.
 * @throws SluiceError UNSUPPORTED if the paths match in more combinations than the automaton can
 * number.
 */
export function scanWhole(bytes: Buffer, paths: Paths, limits: ScanLimits): RecordIndex {
  const task: ScanTask = { bytes, limits, utf8: isUtf8(bytes), maxRecords: Infinity, maxHits: Infinity }
  let index = scanLines(task, paths.automaton())
  if (index.scanned < bytes.length) index = scanLines(task, paths.automaton())
  if (index.scanned === bytes.length) return index
  throw new SluiceError(
    'UNSUPPORTED',
    `the ${paths.size} paths of this pipeline match the keys of one batch in too many combinations; use fewer paths`,
  )
}

function scanLines(task: ScanTask, automaton: Automaton): RecordIndex {
  return fastScanner(task.bytes.length)?.scanLines(task, automaton) ?? scanInTypeScript(task, automaton)
}
