import { systemCode } from '../errors.ts'

/** Why a server cannot listen at an address, for people. */
export function listenReason(error: unknown): string {
  const code = systemCode(error)
  if (code === undefined) return error instanceof Error ? error.message : String(error)
  return REASONS[code] ?? code
}

const REASONS: { readonly [code: string]: string } = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EACCES: 'this user may not listen on the port',
  ENOTFOUND: 'there is no such host',
}
