import { SluiceError } from '../../errors.ts'

/** Where a stage stands, for messages: `transform redact`, `sink s3`. */
type Place = string

/**
 * The first chunk that reached a stage is not the opening batch: a stream of the program replaced it
 * or took it out.
 */
export function noOpening(place: Place, chunk: unknown): SluiceError {
  const isBatch = typeof chunk === 'object' && chunk !== null && 'tallies' in chunk && 'partition' in chunk
  if (!isBatch) {
    return new SluiceError('CONFIG_INVALID', `${place} received ${describe(chunk)} instead of a batch`, {
      hint: `to write records of your program, begin the pipeline with toBatches() in place of source(...). After a source, ${KEEP_TIE}`,
    })
  }
  return new SluiceError('CONFIG_INVALID', `the opening batch did not reach ${place}: a stream before it took it out`, {
    hint: `${PASS_ALL}. The stages must be of one copy of sluice: npm ls sluice`,
  })
}

/** Something else than a batch reached a stage. */
export function notABatch(place: Place, chunk: unknown): SluiceError {
  return new SluiceError('CONFIG_INVALID', `${place} received ${describe(chunk)} instead of a batch`, {
    hint: `records lose the tie to their position there: ${KEEP_TIE}`,
  })
}

const KEEP_TIE =
  'make the stream a custom transform (transform(record => ...)), or put it before the source or after the sink'

/** A stage is piped into a stream of bytes. */
export function takesBytes(): SluiceError {
  return new SluiceError('CONFIG_INVALID', 'a stream between two stages takes bytes or text, and no batches', {
    hint: `create it with \`objectMode: true\`; if it needs bytes: ${KEEP_TIE}`,
  })
}

/** The source has sent the opening batch, and it reached no sink. */
export function neverArrived(seconds: number | undefined): SluiceError {
  const when = seconds === undefined ? 'and nothing is left that could bring it there' : `within ${seconds} s`
  return new SluiceError('CONFIG_INVALID', `the opening batch of the source has not reached a sink ${when}`, {
    hint: `end the pipeline with sink(...), a new one for each run. ${PASS_ALL}`,
  })
}

/** The stream has ended before its opening batch came. */
export function endedUnopened(place: Place): SluiceError {
  return new SluiceError('CONFIG_INVALID', `the stream ended before the opening batch reached ${place}`, {
    hint: `begin the pipeline with source(...), and make new streams for each run. ${PASS_ALL}`,
  })
}

export function afterTheEnd(place: Place): SluiceError {
  return new SluiceError('LEDGER_MISMATCH', `a batch reached ${place} after the source's end: a stream repeated it`, {
    hint: PASS_ALL,
  })
}

export function secondSource(place: Place): SluiceError {
  return new SluiceError('CONFIG_INVALID', `a second source leads to ${place}`, {
    hint: 'give each source a pipeline and a state of its own',
  })
}

export function secondSink(place: Place): SluiceError {
  return new SluiceError('CONFIG_INVALID', `the source leads to a second sink, ${place}`, {
    hint: 'give each sink a pipeline, a source and a state of its own, or name several `sinks` in a pipeline file',
  })
}

export function secondTransform(place: Place): SluiceError {
  return new SluiceError('CONFIG_INVALID', `${place} received a second opening batch`, {
    hint: 'give each source a pipeline of its own',
  })
}

const PASS_ALL = 'A stream between two stages must pass on every chunk, in order, also those without records'

function describe(chunk: unknown): string {
  if (chunk instanceof Uint8Array) return 'bytes'
  if (Array.isArray(chunk)) return 'an array'
  if (typeof chunk === 'string') return 'text'
  return typeof chunk === 'object' ? 'an object' : `a ${typeof chunk}`
}
