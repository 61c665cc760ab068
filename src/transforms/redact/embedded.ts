import { Batch } from '../../record/batch.ts'
import { Paths } from '../../record/paths/path.ts'
import { defaultLimits, scan } from '../../record/scan.ts'

/**
 * Redacts JSON that is the text of a string. `redact` redacts a batch with the rules that it was
 * created with. Returns undefined if the text is not a JSON object or array.
 *
 * The text is scanned like a record, so it is redacted by the same rules, and what no rule matches
 * keeps its spelling; only line feeds between its values become spaces.
 */
export function createEmbeddedRedactor(
  create: (paths: Paths) => (batch: Batch) => void,
): (text: string) => string | undefined {
  const paths = new Paths()
  let redact: ((batch: Batch) => void) | undefined
  return (text) => {
    const isArray = /^\s*\[/.test(text)
    const line = text.replaceAll('\n', ' ')
    const bytes = Buffer.from(isArray ? `${PREFIX}${line}}\n` : `${line}\n`)
    redact ??= create(paths)
    const index = scan(bytes, paths, defaultLimits)
    const batch = new Batch({
      ...NOTHING,
      tallies: { read: 1, added: 0, dropped: new Map() },
      rejects: [],
      paths,
      bytes,
      index,
    })
    try {
      if (index.count !== 1 || index.scanned < bytes.length || batch.fault(0) !== 0) return undefined
      redact(batch)
      if (!batch.isEdited(0)) return text
      const redacted = batch.line(0).toString()
      return isArray ? redacted.slice(PREFIX.length, -1) : redacted
    } finally {
      batch.release()
    }
  }
}

/** A record is an object. */
const PREFIX = '{"":'

const NOTHING = {
  partition: '',
  number: 0,
  continues: false,
  position: undefined,
  origin: { name: '', line: 1 },
  end: undefined,
  sourceBytes: 0,
  lowWatermark: undefined,
  limits: defaultLimits,
}
