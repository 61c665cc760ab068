import { Type } from './typebox.ts'
import type { Condition } from '../record/author/record.ts'

/**
 * Fields that mean more than their JSON type. In YAML they are text; in `create` they are what the comment says. Formats are checked and
 * converted by `src/fields/formats.ts`.
 */
interface FieldOptions {
  readonly description: string
  readonly default?: string
}

/** `30s`, `5m`, `2h`, `90d`, `1h30m`, `250ms` -> milliseconds. */
export function Duration(options: FieldOptions) {
  return Type.Unsafe<number>(Type.String({ format: 'duration', ...options }))
}

/** `64KiB`, `128MiB`, `2GiB`, `500B`, also decimal `10MB` -> bytes. */
export function Size(options: FieldOptions) {
  return Type.Unsafe<number>(Type.String({ format: 'size', ...options }))
}

/** Text that never appears in a log, an error, a report or a metric. */
export function Secret(options: FieldOptions) {
  return Type.String({ secret: true, ...options })
}

/** A path into a record, see `Paths.add`. */
export function RecordPath(options: FieldOptions) {
  return Type.String({ format: 'record-path', ...options })
}

/** A file that must exist, relative to the pipeline file -> its absolute path. */
export function ExistingFile(options: FieldOptions) {
  return Type.String({ format: 'existing-file', ...options })
}

/** A file or folder that need not exist yet, relative to the working directory -> its absolute path. */
export function FilePath(options: FieldOptions) {
  return Type.String({ format: 'file-path', ...options })
}

/** The key of an object without its last segment, see `src/fields/key-template.ts`. */
export function KeyTemplate(options: FieldOptions) {
  return Type.String({ format: 'key-template', ...options })
}

/** One of a few words. */
export function Choice<const Words extends readonly string[]>(
  words: Words,
  options: FieldOptions & { default?: Words[number] },
) {
  return Type.Unsafe<Words[number]>(Type.String({ enum: [...words], ...options }))
}

/** A condition on a record: tests by path, see `Condition` in `src/record/author/record.ts`. */
export function RecordCondition(options: Omit<FieldOptions, 'default'>) {
  return Type.Unsafe<Condition>(Type.Object({}, { format: 'record-condition', additionalProperties: true, ...options }))
}
