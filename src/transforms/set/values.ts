import { formatTime, parseRecordTemplate } from '../../fields/key-template.ts'
import type { KeyTemplate } from '../../fields/key-template.ts'
import type { Batch } from '../../record/batch.ts'
import { writeJson } from '../../record/json/json-text.ts'
import { parseInstantText } from '../../record/json/instant.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { defaultLimits, ValueKind } from '../../record/scan.ts'
import type { MemberConfig } from './member.ts'

/** A member to set, ready to run. */
interface Member {
  readonly path: Path
  readonly ifAbsent: boolean
  /** The JSON text of the value; undefined if it cannot be made of this record. */
  readonly valueOf: (batch: Batch, record: number) => Buffer | undefined
}

interface Names {
  readonly paths: Paths
  readonly pipeline: string
}

export function compileMember({ path, value, from, template, ifAbsent }: MemberConfig, names: Names): Member {
  const target = { path: names.paths.add(path), ifAbsent }
  if (from !== undefined) {
    const source = names.paths.add(from)
    return { ...target, valueOf: (batch, record) => copyOf(batch, batch.hit(record, source)) }
  }
  if (template !== undefined) return { ...target, valueOf: compileTemplate(parseRecordTemplate(template), names) }
  const json = writeJson(value, defaultLimits.maxDepth)
  return { ...target, valueOf: () => json }
}

/** A copy: it outlives the batch when the line is rebuilt. */
function copyOf(batch: Batch, hit: number): Buffer | undefined {
  return hit < 0 ? undefined : Buffer.from(batch.raw(hit))
}

function compileTemplate({ parts }: KeyTemplate, { paths, pipeline }: Names): Member['valueOf'] {
  const readers = parts.map((part): string | ((batch: Batch, record: number) => string | undefined) => {
    if (part.kind === 'literal') return part.text
    if (part.kind !== 'record') return pipeline
    const { format } = part
    const path = paths.add(part.path)
    return (batch, record) => {
      const text = scalarOf(batch, batch.hit(record, path))
      if (text === undefined || format === undefined) return text
      const instant = parseInstantText(text)
      return Number.isNaN(instant) ? undefined : formatTime(format, instant)
    }
  })
  return (batch, record) => {
    let text = ''
    for (const reader of readers) {
      const part = typeof reader === 'string' ? reader : reader(batch, record)
      if (part === undefined) return undefined
      text += part
    }
    return Buffer.from(JSON.stringify(text))
  }
}

function scalarOf(batch: Batch, hit: number): string | undefined {
  if (hit < 0) return undefined
  const kind = batch.kind(hit)
  return kind === ValueKind.object || kind === ValueKind.array || kind === ValueKind.null ? undefined : batch.text(hit)
}
