import { THRESHOLDS } from '../../../src/ui/alerts.ts'
import type { Bottleneck, SinkStatus } from '../../../src/ui/api.ts'
import { formatShare, plural } from '../format.ts'

export interface Trouble {
  readonly tone: 'warning' | 'error'
  readonly text: string
}

/** Why a sink holds records up, or soon will. */
export function troubleOf({ isFull, retries, code, waiting, maxBytes }: SinkStatus): Trouble | undefined {
  const reasons: string[] = []
  if (isFull) reasons.push('Outbox is full, reading waits')
  if (retries > 0 || code !== undefined)
    reasons.push(`Away: ${code ?? 'no answer'}, ${plural(retries, 'failed attempt')}`)
  if (reasons.length > 0) return { tone: 'error', text: reasons.join('. ') }
  const share = maxBytes === undefined ? 0 : waiting.bytes / maxBytes
  return share > THRESHOLDS.SluiceOutboxFilling
    ? { tone: 'warning', text: `Outbox is ${formatShare(share)} full` }
    : undefined
}

/** `Bottleneck: redact`; `jumpcloud: waits for input`. */
export function describeBottleneck({ stage, reason }: Pick<Bottleneck, 'stage' | 'reason'>): string {
  const text = REASONS[reason]
  return reason === 'work' ? `${text}: ${stage}` : `${stage}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`
}

export const REASONS: { readonly [reason in Bottleneck['reason']]: string } = {
  work: 'Bottleneck',
  network: 'Bottleneck: waits for the network',
  'rate-limit': 'Bottleneck: waits for its rate limit',
  retry: 'Bottleneck: waits to try again',
  outbox: 'Bottleneck: outbox is full',
  input: 'Waits for input',
}
