/** What each error code means to the process that meets it. */
export interface CodeFacts {
  /** Exit status of the command line: 0 not a failure, 1 bug, 2 configuration, 3 source, 4 sink, 5 rejects, 6 state, 130 interrupted. */
  readonly exit: number
  /** True when the same operation may succeed if it is tried again. */
  readonly retryable: boolean
  readonly summary: string
}

/** Every error a run can end with. `docs/errors.md` is made from this table. */
export const errorCodes = {
  INTERNAL: { exit: 1, retryable: false, summary: 'A defect in Sluice itself.' },
  LEDGER_MISMATCH: { exit: 1, retryable: false, summary: 'Records went in that did not come out under any name.' },
  TRANSFORM_FAILED: { exit: 1, retryable: false, summary: 'A custom transform failed and cannot go on.' },

  CONFIG_INVALID: {
    exit: 2,
    retryable: false,
    summary: 'A pipeline file has problems; each is listed with its place.',
  },
  COMPONENT_LOAD_FAILED: { exit: 2, retryable: false, summary: 'A custom component could not be loaded or created.' },
  PATH_INVALID: { exit: 2, retryable: false, summary: 'A record path is not written as paths are.' },
  PIPELINE_NOT_FOUND: { exit: 2, retryable: false, summary: 'No pipeline of that name.' },
  SCHEMA_INVALID: { exit: 2, retryable: false, summary: 'A JSON schema is missing, is not JSON, or does not compile.' },
  TESTS_FAILED: { exit: 2, retryable: false, summary: 'A test of a pipeline did not give what it expects.' },
  UNSUPPORTED: { exit: 2, retryable: false, summary: 'This Node.js does not have what the configuration asks for.' },
  USAGE: { exit: 2, retryable: false, summary: 'The command line is not understood.' },
  VALUE_INVALID: { exit: 2, retryable: false, summary: 'A value given to a record is not JSON.' },

  FILE_NOT_FOUND: { exit: 3, retryable: false, summary: 'An input file does not exist or cannot be read.' },
  INPUT_CORRUPT: { exit: 3, retryable: false, summary: 'An input is cut short or damaged.' },
  SOURCE_FAILED: { exit: 3, retryable: false, summary: 'A source gave up.' },
  SOURCE_REFUSED: { exit: 3, retryable: false, summary: 'The API refused the credentials or the query.' },
  SOURCE_UNAVAILABLE: { exit: 3, retryable: true, summary: 'The API did not answer properly.' },

  SINK_CLOSED: { exit: 0, retryable: false, summary: 'The reader of standard output wants no more.' },
  SINK_FAILED: { exit: 4, retryable: false, summary: 'A sink gave up.' },
  SINK_REFUSED: { exit: 4, retryable: false, summary: 'The store refused the credentials, the bucket or an argument.' },
  SINK_UNAVAILABLE: { exit: 4, retryable: true, summary: 'The store did not answer properly.' },

  REJECTS: { exit: 5, retryable: false, summary: 'Records were rejected and --fail-on-reject is set.' },

  DEDUP_MEMORY: { exit: 6, retryable: false, summary: 'The de-duplication index reached its memory budget.' },
  DISK_FAILED: { exit: 6, retryable: false, summary: 'The disk under the outbox or the state failed.' },
  DISK_FULL: { exit: 6, retryable: false, summary: 'No space is left for the outbox or the state.' },
  OUTBOX_LOST: { exit: 6, retryable: false, summary: 'A committed file is gone before it was published.' },
  STATE_DAMAGED: { exit: 6, retryable: false, summary: 'The state folder does not agree with itself.' },
  STATE_IN_USE: { exit: 6, retryable: false, summary: 'Another process owns the state.' },
  STATE_MISMATCH: { exit: 6, retryable: false, summary: 'The state was made by another configuration or version.' },
  STATE_NOT_FOUND: { exit: 6, retryable: false, summary: 'The pipeline has no state here.' },
  VERIFY_FAILED: { exit: 6, retryable: false, summary: 'Objects, rejects and state do not agree.' },

  INTERRUPTED: { exit: 130, retryable: false, summary: 'Interrupted after a clean commit.' },
} as const satisfies { [code: string]: CodeFacts }

export type ErrorCode = keyof typeof errorCodes

/** Why a record was refused. Custom code adds its own with `record.reject(code)`. */
export const rejectCodes = {
  INVALID_JSON: 'The line is not JSON.',
  INVALID_UTF8: 'The line is not UTF-8.',
  KEY_MISSING: 'A field of the de-duplication key is absent.',
  NOT_AN_OBJECT: 'The line is JSON, but not an object.',
  SCHEMA_VIOLATION: 'The record does not fulfil the schema.',
  TOO_COMPLEX: "The line's keys meet too many combinations of the pipeline's paths.",
  TOO_DEEP: 'The line is nested deeper than the limit.',
  TOO_LONG: 'The line is longer than the limit.',
  TRANSFORM_FAILED: 'A custom transform threw, or returned what is not a record.',
} as const

export type RejectCode = keyof typeof rejectCodes

export interface ErrorDetails {
  cause?: unknown
  /** Overrides the code's own fact where one code covers both, for example a 429 and a 401. */
  retryable?: boolean
  /** The way out, when it is told apart from the message. */
  hint?: string
  /** For a text that a person wrote (a path, a key template, a duration): the character where it goes wrong, from 0, and how many are meant. */
  offset?: number
  length?: number
}

/**
 * The one error class. The message names the offending name or value and the way out; never a record's content, never a
 * secret. Only `src/cli/main.ts` turns it into an exit status.
 */
export class SluiceError extends Error {
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
}

/** The error itself when it is ours already; otherwise ours around it. */
export function asSluiceError(error: unknown, code: ErrorCode, message: string): SluiceError {
  if (error instanceof SluiceError) return error
  return new SluiceError(code, `${message}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}

/** The code of an error of the operating system or of Node.js, for example `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
