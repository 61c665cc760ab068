/**
 * True if connections to the host stay on this machine, as all names below `localhost` do (RFC
 * 6761). `hostname` is written as in `URL`.
 */
export function isLoopback(hostname: string): boolean {
  return (
    /(^|\.)localhost$/.test(hostname) ||
    hostname === '[::1]' ||
    hostname === '::1' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  )
}
