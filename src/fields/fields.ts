import { Type } from './typebox.ts'
import type { Condition } from '../record/author/record.ts'

/**
 * Fields with more meaning than their JSON type. They are text in YAML. Each function's comment
 * says what `create` receives. `src/fields/formats.ts` checks and converts them.
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

/** Text that must never appear in a log, an error, a report or a metric. */
export function Secret(options: FieldOptions) {
  return Type.String({ secret: true, ...options })
}

/** A path into a record. See `Paths.add`. */
export function RecordPath(options: FieldOptions) {
  return Type.String({ format: 'record-path', ...options })
}

/** A path of keys to a member that is written. */
export function MemberPath(options: FieldOptions) {
  return Type.String({ format: 'member-path', ...options })
}

/** A text with values of the record in it. See `parseRecordTemplate`. */
export function RecordTemplate(options: FieldOptions) {
  return Type.String({ format: 'record-template', ...options })
}

/** A CEL expression over the record. See `src/fields/expression/expression.ts`. */
export function Expression(options: Omit<FieldOptions, 'default'>) {
  return Type.String({ format: 'expression', minLength: 1, ...options })
}

/** A CEL expression over the record that is true or false. */
export function ConditionExpression(options: Omit<FieldOptions, 'default'>) {
  return Type.String({ format: 'condition-expression', minLength: 1, ...options })
}

/**
 * A path to the records of a document, or `$`. See `parseRecordsPath`.
 */
export function RecordsPath(options: FieldOptions) {
  return Type.String({ format: 'records-path', ...options })
}

/** A file that must exist, relative to the pipeline file -> its absolute path. */
export function ExistingFile(options: FieldOptions) {
  return Type.String({ format: 'existing-file', ...options })
}

/**
 * A file or folder that does not have to exist, relative to the working directory -> its absolute
 * path.
 */
export function FilePath(options: FieldOptions) {
  return Type.String({ format: 'file-path', ...options })
}

/**
 * A file, folder or glob to read, relative to the working directory, or `-` for standard input -> a
 * path that can be opened.
 */
export function InputPath(options: Partial<FieldOptions> = {}) {
  return Type.String({ format: 'input-path', plain: true, minLength: 1, ...options })
}

/** The key of an object without its last segment. See `src/fields/key-template.ts`. */
export function KeyTemplate(options: FieldOptions) {
  return Type.String({ format: 'key-template', ...options })
}

/** One of a fixed list of words. */
export function Choice<const Words extends readonly string[]>(
  words: Words,
  options: FieldOptions & { default?: Words[number] },
) {
  return Type.Unsafe<Words[number]>(Type.String({ enum: [...words], ...options }))
}

/** A condition on a record: tests by path. See `Condition` in `src/record/author/record.ts`. */
export function RecordCondition(options: Omit<FieldOptions, 'default'>) {
  return Type.Unsafe<Condition>(Type.Object({}, { format: 'record-condition', additionalProperties: true, ...options }))
}
