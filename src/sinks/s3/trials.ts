/** Begins the names of the uploads with which `connect` tries whether a sink may write. */
export const CHECK = 'sluice-check-'

/** Begins the names of conditional puts that try a store. Query engines skip names with an underscore. */
export const PROBE = '_sluice-probe-'

/**
 * Whether a key is that of an upload with which a process tries a store. One that is killed leaves it,
 * and nobody knows of it.
 */
export function isTrial(key: string): boolean {
  const name = key.slice(key.lastIndexOf('/') + 1)
  return name.startsWith(CHECK) || name.startsWith(PROBE)
}
