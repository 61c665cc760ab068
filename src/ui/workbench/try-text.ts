import type { TryAnswer } from './api.ts'
import type { TextPlace } from './workbench.ts'

interface TryOptions extends TextPlace {
  readonly bytes: Uint8Array
  readonly from: number
  readonly count: number
  readonly values: boolean
}

export async function tryText(_options: TryOptions): Promise<TryAnswer> {
  throw new Error('not there yet')
}
