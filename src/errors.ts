/** What an error code means to the caller of the process. */
export interface ErrorCodeInfo {
  /**
   * Exit status of the command line: 0 no failure, 1 bug, failed custom code or failed tests, 2 configuration, 3
   * source, 4 sink, 5 rejects, 6 state, 7 a component that never finished, 8 queue, 130 interrupted.
   */
  readonly exit: number
  /** True if the same operation may succeed when it is repeated. */
  readonly retryable: boolean
  readonly summary: string
}

/** Every error that can end a run. `docs/errors.md` is generated from this table. */
export const errorCodes = {
  INTERNAL: { exit: 1, retryable: false, summary: 'A bug in Sluice.' },
  LEDGER_MISMATCH: { exit: 1, retryable: false, summary: 'Some records are unaccounted for.' },
  TRANSFORM_FAILED: { exit: 1, retryable: false, summary: 'A custom transform failed and stopped the run.' },
  PROGRAM_FAILED: {
    exit: 1,
    retryable: false,
    summary: 'A program of `exec` could not be started, crashed, hung, or did not answer as it must.',
  },
  WORKER_LOST: {
    exit: 1,
    retryable: true,
    summary:
      'A worker of a parallel backfill, or a thread of a parallel transform, died: it ran out of memory, exited, or its machine is gone.',
  },

  CONFIG_INVALID: {
    exit: 2,
    retryable: false,
    summary:
      'The pipeline file, or a pipeline in code, has problems. Each of a file is listed with its line and column.',
  },
  COMPONENT_LOAD_FAILED: { exit: 2, retryable: false, summary: 'A custom component could not be loaded or created.' },
  EXPRESSION_INVALID: { exit: 2, retryable: false, summary: 'A CEL expression has a mistake.' },
  ENV_FILE_INVALID: {
    exit: 2,
    retryable: false,
    summary: 'An environment file is missing, cannot be read, or has a line that cannot be used.',
  },
  PATH_INVALID: { exit: 2, retryable: false, summary: 'A record path has invalid syntax.' },
  QUEUE_KEY_INVALID: {
    exit: 2,
    retryable: false,
    summary: 'SLUICE_QUEUE_KEY is missing, too short, or not the same for the coordinator and its workers.',
  },
  PIPELINE_NOT_FOUND: { exit: 2, retryable: false, summary: 'No pipeline has this name.' },
  SCHEMA_INVALID: { exit: 2, retryable: false, summary: 'A JSON schema is missing, is not JSON, or does not compile.' },
  TABLE_INVALID: {
    exit: 2,
    retryable: false,
    summary: 'A table of `lookup` is damaged, too large, in another format, or has a key twice.',
  },
  TESTS_FAILED: { exit: 1, retryable: false, summary: 'At least one pipeline test failed.' },
  UNSUPPORTED: {
    exit: 2,
    retryable: false,
    summary: 'This version of Node.js, or this component, does not support the requested feature.',
  },
  TAP_REFUSED: {
    exit: 2,
    retryable: false,
    summary: 'A tap would show records that are not redacted yet.',
  },
  USAGE: { exit: 2, retryable: false, summary: 'The command line is invalid.' },
  VALUE_INVALID: { exit: 2, retryable: false, summary: 'Custom code set a value that is not JSON.' },

  FILE_NOT_FOUND: { exit: 3, retryable: false, summary: 'An input file or object does not exist or cannot be read.' },
  INPUT_CORRUPT: { exit: 3, retryable: false, summary: 'An input is truncated, corrupt or not JSON.' },
  INPUTS_DAMAGED: {
    exit: 3,
    retryable: false,
    summary: 'Some inputs could not be read completely, and --keep-going is set. All others were read.',
  },
  SHARDS_FAILED: {
    exit: 3,
    retryable: false,
    summary: 'Some shards of a parallel backfill failed. All others are committed.',
  },
  SOURCE_FAILED: { exit: 3, retryable: false, summary: 'The source failed.' },
  SOURCE_REFUSED: {
    exit: 3,
    retryable: false,
    summary: 'The API, or the store that is read, rejected the credentials or the query.',
  },
  SOURCE_UNAVAILABLE: {
    exit: 3,
    retryable: true,
    summary: 'The API, or the store that is read, did not send a usable response.',
  },

  SINK_CLOSED: { exit: 0, retryable: false, summary: 'stdout was closed by its reader (EPIPE).' },
  SINK_FAILED: { exit: 4, retryable: false, summary: 'The sink failed.' },
  SINK_REFUSED: {
    exit: 4,
    retryable: false,
    summary: 'The store rejected the credentials, the bucket or an argument.',
  },
  SINK_UNAVAILABLE: { exit: 4, retryable: true, summary: 'The store did not send a usable response.' },

  REJECTS: { exit: 5, retryable: false, summary: 'Records were rejected and --fail-on-reject is set.' },

  DEDUP_MEMORY: { exit: 6, retryable: false, summary: 'The deduplication index reached its memory budget.' },
  DISK_FAILED: { exit: 6, retryable: false, summary: 'A file operation in the outbox or the state folder failed.' },
  DISK_FULL: { exit: 6, retryable: false, summary: 'The disk of the outbox or the state folder is full.' },
  EXPORT_INVALID: {
    exit: 6,
    retryable: false,
    summary: 'The export of a state is incomplete, damaged, or no such export.',
  },
  FOLDER_UNSAFE: { exit: 6, retryable: false, summary: 'The state folder is a link, or belongs to another user.' },
  IMPORT_MISSING: {
    exit: 6,
    retryable: false,
    summary:
      'The replica would collect tenants that other replicas have collected: their exports are not imported yet.',
  },
  NOT_RUNNING: {
    exit: 6,
    retryable: true,
    summary: 'No process of this machine runs the pipeline with this state, or it has died.',
  },
  OUTBOX_LOST: { exit: 6, retryable: false, summary: 'A committed file disappeared before it was published.' },
  SHARD_TOO_LARGE: {
    exit: 6,
    retryable: false,
    summary: 'The rejects of one shard of a parallel backfill take too much memory.',
  },
  SHARDS_UNFINISHED: {
    exit: 6,
    retryable: false,
    summary: 'A parallel backfill of the pipeline is unfinished, and the command would interfere with it.',
  },
  STATE_DAMAGED: { exit: 6, retryable: false, summary: 'The state folder is inconsistent.' },
  STATE_IN_USE: { exit: 6, retryable: false, summary: 'Another process owns the state.' },
  STATE_MISMATCH: {
    exit: 6,
    retryable: false,
    summary: 'The state was written with a different configuration or by a different version.',
  },
  STATE_MOVED: {
    exit: 6,
    retryable: false,
    summary: 'The state, or all its tenants, were exported to be collected elsewhere.',
  },
  STATE_NOT_FOUND: { exit: 6, retryable: false, summary: 'The pipeline has no state in this folder.' },
  VERIFY_FAILED: { exit: 6, retryable: false, summary: 'Objects, rejects and state do not match.' },

  COMPONENT_STALLED: {
    exit: 7,
    retryable: false,
    summary: 'A component never finished, and nothing was left in the process that could finish it.',
  },

  QUEUE_FORGED: {
    exit: 8,
    retryable: false,
    summary: 'A content of the queue was changed, or was made for another run, shard or attempt.',
  },
  QUEUE_FULL: { exit: 8, retryable: true, summary: 'Redis is out of memory.' },
  QUEUE_REFUSED: {
    exit: 8,
    retryable: false,
    summary: 'Redis rejected the credentials or a command, its certificate is not trusted, or it is a replica.',
  },
  QUEUE_UNAVAILABLE: { exit: 8, retryable: true, summary: 'Redis cannot be reached or does not send a usable reply.' },
  WORKERS_REFUSED: {
    exit: 8,
    retryable: false,
    summary: 'Every worker refuses the run, for example because its configuration differs.',
  },

  INTERRUPTED: { exit: 130, retryable: false, summary: 'A signal stopped the run after a clean commit.' },
} as const satisfies { [code: string]: ErrorCodeInfo }

export type ErrorCode = keyof typeof errorCodes

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}

/** Why a record was rejected. Custom code adds codes of its own with `record.reject(code)`. */
export const rejectCodes = {
  DUPLICATE_KEY: 'A key is twice in one object (`toObjects` only; elsewhere the last one counts).',
  EXPRESSION_FAILED: 'An expression has no value for the record: a member is absent, or has another type.',
  EXPRESSION_LIMIT: 'An expression takes too many steps for the length of the record.',
  INVALID_JSON: 'The line is not valid JSON.',
  INVALID_UTF8: 'The line is not valid UTF-8.',
  KEY_EXISTS: 'The record already has a member with the name that `keyAs`, `rename` or `split` gives.',
  KEY_MISSING: 'A field of the dedup key is missing.',
  LOOKUP_MISS: 'The record has no key that is in the table of `lookup` (`missing: reject`).',
  NO_RECORDS: 'The document has nothing at the path of `records`, or a value of the wrong type.',
  NOT_AN_ARRAY: 'The member that `split` splits has a value, but not an array.',
  NOT_AN_OBJECT: 'The line is valid JSON, but not an object.',
  NUMBER_INEXACT: 'A number has more digits, or is larger, than JavaScript can hold (`toObjects` only).',
  OUTPUT_INVALID: 'The program of `exec` answered with a line that is not a record.',
  PARSE_FAILED: 'A text is not of the format that `parse` expects (`onError: reject`).',
  PATH_BLOCKED: 'On the way to a member that a stage writes, the record has a value that is not an object.',
  SCHEMA_VIOLATION: 'The record does not match the schema.',
  TOO_COMPLEX: "The line's keys match too many combinations of the pipeline's record paths.",
  TOO_DEEP: 'The line is nested deeper than `limits.maxDepth`.',
  TOO_LONG: 'The line is longer than `limits.maxLine`.',
  TRANSFORM_FAILED: 'A custom transform threw, or returned something that is not a record.',
  UNROUTED: 'No route takes the record, and the pipeline has no `default` (`unrouted: reject`).',
  VALUE_MISSING:
    'The record lacks a member of which `set` makes a value (`missing: reject`), or elements to `split` (`empty: reject`).',
  VALIDATION_LIMIT: 'Checking the record against the schema takes too many steps for its size.',
} as const

export type RejectCode = keyof typeof rejectCodes

export interface ErrorDetails {
  cause?: unknown
  /** Overrides the table where one code covers both cases, for example a 429 and a 401. */
  retryable?: boolean
  /** How to fix the problem, shown below the message. */
  hint?: string
  /**
   * For text written by a user (a path, a key template, a duration): index of the first wrong
   * character, from 0.
   */
  offset?: number
  /** How many characters from `offset` on are wrong. */
  length?: number
}

const MARK = Symbol.for('sluice.SluiceError')

/**
 * The only error class. The message names the offending value and the way out. It never contains a
 * record's content or a secret. Only `src/cli/main.ts` turns it into an exit status.
 */
export class SluiceError extends Error {
  readonly [MARK] = true
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly hint: string | undefined
  readonly offset: number | undefined
  readonly length: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SluiceError'
    this.code = code
    this.retryable = details.retryable ?? errorCodes[code].retryable
    this.hint = details.hint
    this.offset = details.offset
    this.length = details.length
  }

  get exit(): number {
    return errorCodes[this.code].exit
  }

  /**
   * True also for the errors of another copy of Sluice in the same process: that of a package with
   * components, or of the project in which a globally installed command runs.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== SluiceError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return value instanceof Error && MARK in value
  }
}

/** Returns a `SluiceError` unchanged and wraps any other error. */
export function asSluiceError(thrown: unknown, code: ErrorCode, message: string): SluiceError {
  const error = readable(thrown)
  if (error instanceof SluiceError) return error
  return new SluiceError(code, `${message}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}

/**
 * A value that custom code threw, or an error in its place if it cannot be read: it may be an object
 * without a prototype, or have getters that throw.
 */
export function readable(thrown: unknown): unknown {
  try {
    // Reads all that is printed of an error.
    const isReadable = thrown instanceof Error ? isUsual(thrown) : String(thrown).length >= 0
    return isReadable ? thrown : new Error(String(thrown))
  } catch {
    return new Error('a value was thrown that cannot be printed')
  }
}

function isUsual(error: Error): boolean {
  const { name, message, stack = '', cause: _ }: { [key in keyof Error]: unknown } = error
  systemCode(error)
  return [name, message, stack].every((text) => typeof text === 'string')
}

/**
 * The code of an operating system or Node.js error, for example `ENOENT`. Undefined for other
 * errors.
 */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
