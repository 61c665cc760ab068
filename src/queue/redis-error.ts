import { SluiceError, systemCode } from '../errors.ts'
import { certificateMistake } from '../network/tls.ts'

/** An error of Redis or of the connection to it. */
export interface QueueFailure {
  readonly error: SluiceError
  /** True if the same command may succeed later, without anybody doing anything. */
  readonly isTransient: boolean
}

/** Names an error of a Redis client. @param name The address, without password. */
export function queueFailure(thrown: unknown, name: string): QueueFailure {
  if (thrown instanceof SluiceError) return { error: thrown, isTransient: thrown.retryable }
  const text = textOf(thrown)
  const certificate = certificateMistake(thrown)
  if (certificate !== undefined) return refused(`${name}: ${certificate}`, CERTIFICATE, thrown)
  for (const [pattern, what, hint] of REFUSALS) if (pattern.test(text)) return refused(`${name} ${what}`, hint, thrown)
  if (/\bOOM\b/.test(text)) {
    const hint =
      'give it more memory (maxmemory), then run the same command again; results that wait are committed first'
    return {
      error: new SluiceError('QUEUE_FULL', `${name} is out of memory`, { cause: thrown, hint }),
      isTransient: true,
    }
  }
  if (/\bREADONLY\b/.test(text)) {
    const hint = 'give the address of the primary; after a failover, the name that follows it'
    const error = new SluiceError('QUEUE_REFUSED', `${name} is a replica that takes no writes`, { cause: thrown, hint })
    return { error, isTransient: true }
  }
  const reason = systemCode(thrown) ?? text.slice(0, 200)
  const error = new SluiceError('QUEUE_UNAVAILABLE', `${name} cannot be used: ${reason}`, {
    cause: thrown,
    hint: 'the same command continues the run once Redis can be reached',
  })
  return { error, isTransient: true }
}

const CERTIFICATE = 'the file of a certificate authority of your own is given as ?ca=/PATH/ca.pem'

/** Replies that stay the same until somebody changes the configuration. */
const REFUSALS: readonly (readonly [RegExp, string, string])[] = [
  [
    /WRONGPASS|invalid password|invalid username-password/i,
    'refused the user or the password',
    'correct them in the URL of the queue; percent-encode special characters',
  ],
  [
    /NOAUTH|Authentication required/i,
    'needs a password',
    'write redis://:PASSWORD@HOST or redis://USER:PASSWORD@HOST in SLUICE_QUEUE',
  ],
  [
    /NOPERM/,
    'does not allow this user a command or a key that the queue needs',
    'give the user the rights listed in docs/scale.md, section Machines',
  ],
  [
    /DB index is out of range|SELECT is not allowed/i,
    'does not have the database that the URL names',
    'leave the number out, or use 0',
  ],
  [
    /wrong.version.number|packet.length.too.long|SSL.*record/i,
    'does not speak TLS',
    'write redis:// in place of rediss://',
  ],
  [
    /unknown command|Protocol error/i,
    'does not know a command that the queue needs',
    'Redis 6.2 or Valkey, or a service that is compatible with it, is needed',
  ],
]

function refused(message: string, hint: string, cause: unknown): QueueFailure {
  return { error: new SluiceError('QUEUE_REFUSED', message, { cause, hint }), isTransient: false }
}

/** Text of an error, and of the errors in it that Node.js made of several addresses of a host. */
function textOf(thrown: unknown): string {
  // Of a transaction, the commands that were refused in it.
  if (thrown instanceof Error && 'previousErrors' in thrown && Array.isArray(thrown.previousErrors))
    return thrown.previousErrors.map(textOf).join('; ')
  if (thrown instanceof AggregateError) return thrown.errors.map(textOf).join('; ')
  return thrown instanceof Error ? `${systemCode(thrown) ?? ''} ${thrown.message}`.trim() : String(thrown)
}
