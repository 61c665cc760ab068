/** The compression that the name of an object promises, for a plan: nothing is requested to find out. */
export function compressionByName(key: string): string | undefined {
  const [, ending] = /\.(gz|gzip|zst|zstd|br)$/i.exec(key) ?? []
  return ending === undefined ? undefined : NAMES[ending.toLowerCase()]
}

const NAMES: { readonly [ending: string]: string } = {
  gz: 'gzip',
  gzip: 'gzip',
  zst: 'zstd',
  zstd: 'zstd',
  br: 'brotli',
}
