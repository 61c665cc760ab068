/**
 * A signal that aborts with the first of these. In place of `AbortSignal.any`, which holds them weakly:
 * in Node.js 20 a signal of `AbortSignal.timeout` that nothing else holds is collected and never aborts
 * (nodejs/node#57736), and from 24.16 on an abort is lost with the controller that made it
 * (nodejs/node#65995).
 */
export function anySignal(...signals: readonly AbortSignal[]): AbortSignal {
  // oxlint-disable-next-line no-restricted-properties -- the sources are held below
  const signal = AbortSignal.any([...signals])
  held.set(signal, signals)
  return signal
}

/** Keeps the sources of a signal for as long as the signal itself. */
const held = new WeakMap<AbortSignal, readonly AbortSignal[]>()
