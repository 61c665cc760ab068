import type { SampleRequest } from '../../../src/ui/workbench/api.ts'
import { valueOf } from '../route.ts'

/** Records that are taken, unless another number is entered. */
export const FIRST = 100

/** What the address says of samples; empty without any. */
interface SampleAddress {
  readonly [name: string]: string
  readonly file: string
  readonly records: string
  readonly recording: string
  readonly first: string
}

/** Pasted samples are in no address, and no link reads the live source. */
export function addressOf(request: SampleRequest): SampleAddress {
  const first = 'first' in request && request.first !== FIRST ? String(request.first) : ''
  if ('file' in request) return { ...NONE, file: request.file, records: request.records ?? '', first }
  if ('recording' in request) return { ...NONE, recording: request.recording, first }
  return NONE
}

/** The samples of the address. */
export function samplesOfAddress(): SampleRequest | undefined {
  const [file, records, recording] = [valueOf('file'), valueOf('records'), valueOf('recording')]
  const first = Number(valueOf('first')) || FIRST
  if (file !== '') return { file, first, ...(records !== '' && { records }) }
  return recording === '' ? undefined : { recording, first }
}

const NONE: SampleAddress = { file: '', records: '', recording: '', first: '' }
