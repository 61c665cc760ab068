import { SluiceError } from '../errors.ts'

/**
 * Waits for a promise of a component. If nothing is left in the process that could settle it (no
 * timer, no socket, no file), it rejects with COMPONENT_STALLED, so that the run ends with a report
 * like after any other failure. Without this, Node.js would end the process without a message.
 * @param what Names the component and the call, for the message: `flush of sink ./sink.ts`.
 */
export function awaitComponent<T>(what: string, promise: PromiseLike<T>): Promise<T> {
  return awaitUnlessIdle(promise, () => stalledError(what))
}

/** The same with an error of one's own. */
export async function awaitUnlessIdle<T>(promise: PromiseLike<T>, onIdle: () => SluiceError): Promise<T> {
  let call: Waiting | undefined
  const stalled = new Promise<never>((_resolve, reject) => {
    call = { fail: () => reject(onIdle()) }
    add(call)
  })
  try {
    return await Promise.race([promise, stalled])
  } finally {
    if (call !== undefined) remove(call)
  }
}

/** A promise that is waited for. */
interface Waiting {
  fail(): void
}

/** Of all pipelines in this process. */
const waiting = new Set<Waiting>()

/** The process has a listener of ours only while something is waited for. */
function add(call: Waiting): void {
  if (waiting.size === 0) process.on('beforeExit', failAll)
  waiting.add(call)
}

function remove(call: Waiting): void {
  waiting.delete(call)
  if (waiting.size === 0) process.off('beforeExit', failAll)
}

/** Node.js calls it each time the event loop has run out of work. */
function failAll(): void {
  for (const call of waiting) call.fail()
}

/** A component whose methods are awaited with `awaitComponent`. */
export function awaitMethods<Component extends object>(name: string, component: Component): Component {
  return new Proxy(component, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args)
        return result instanceof Promise ? awaitComponent(`${String(key)} of ${name}`, result) : result
      }
    },
  })
}

/** Milliseconds that components have to end a call or to close once the run is over. */
export const CLOSE_TIMEOUT = 15_000

/**
 * Waits at most `milliseconds` for components that may ignore that the run is over.
 * @throws SluiceError COMPONENT_STALLED
 */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new SluiceError('COMPONENT_STALLED', `${what} took longer than ${milliseconds / 1000} s`))
    }, milliseconds)
    // If nothing else is left, `awaitComponent` knows which call stalls.
    timer.unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function stalledError(what: string): SluiceError {
  return new SluiceError('COMPONENT_STALLED', `${what} never finished, and nothing is left that could finish it`, {
    hint: 'its promise is never resolved or rejected: look for a callback that is not called, or an event that does not come',
  })
}
