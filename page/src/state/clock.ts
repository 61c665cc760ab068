import { signal } from '@preact/signals'
import { clockOffset } from '../api.ts'
import { connection } from './connection.ts'

/** Now, on the clock of the server, each second. It stands still while the connection is lost. */
export const clock = signal(Date.now())

export function startClock(): void {
  setInterval(() => {
    if (connection.value.state !== 'lost' && !document.hidden) setClock()
  }, 1000)
  document.addEventListener('visibilitychange', setClock)
}

function setClock(): void {
  if (connection.value.state !== 'lost') clock.value = Date.now() + clockOffset
}
