import { signal } from '@preact/signals'

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'open' }
  /** `isRefused`: the server does not know this browser any more. */
  | { readonly state: 'lost'; readonly since: number; readonly isRefused: boolean }

export const connection = signal<Connection>({ state: 'connecting' })

/** For screen readers: changes of a state only. */
export const announcement = signal('')

export function announce(text: string): void {
  announcement.value = text
}
