import type { TextPlace } from './workbench.ts'

interface ReadOptions extends TextPlace {
  readonly file?: { readonly path: string; readonly records: string | undefined }
  readonly recording?: string
  readonly first: number
}

export async function readSource(_options: ReadOptions): Promise<{ bytes: Uint8Array; isCut: boolean }> {
  throw new Error('not there yet')
}
