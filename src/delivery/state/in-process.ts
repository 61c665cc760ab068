/*
 * LMDB has one environment of a file in a process, however often it is opened, and whoever opens it first
 * decides whether it can be written. So an owner that opens a state while this process reads it, for example
 * for a page, would get one that refuses every transaction.
 */

/** Databases that this process reads now, by folder. */
const readers = new Map<string, Set<Promise<void>>>()
/** Those that are about to be opened by their owner. */
const writers = new Map<string, Promise<void>>()

/** Opens a database to read, after an owner that is about to open it. `close` of the result ends the reading. */
export async function openAsReader<Opened extends { close(): Promise<void> }>(
  folder: string,
  open: () => Promise<Opened>,
): Promise<Opened> {
  for (let writer = writers.get(folder); writer; writer = writers.get(folder)) await writer
  const { promise, resolve } = withResolver()
  const all = readers.get(folder) ?? new Set()
  readers.set(folder, all.add(promise))
  const leave = (): void => {
    all.delete(promise)
    if (all.size === 0 && readers.get(folder) === all) readers.delete(folder)
    resolve()
  }
  try {
    const opened = await open()
    const close = opened.close.bind(opened)
    return Object.assign(opened, { close: () => close().finally(leave) })
  } catch (error) {
    leave()
    throw error
  }
}

/** Opens a database to write, once nobody in this process reads it. Reading is short. */
export async function openAsOwner<Opened>(folder: string, open: () => Promise<Opened>): Promise<Opened> {
  for (let writer = writers.get(folder); writer; writer = writers.get(folder)) await writer
  const { promise, resolve } = withResolver()
  writers.set(folder, promise)
  try {
    const reading: ReadonlySet<Promise<void>> = readers.get(folder) ?? new Set()
    await Promise.all(reading)
    return await open()
  } finally {
    writers.delete(folder)
    resolve()
  }
}

function withResolver(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: (() => void) | undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve?.() }
}
