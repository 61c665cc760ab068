import { batch, signal } from '@preact/signals'
import type { Signal } from '@preact/signals'
import type { ApiError, PipelineRow, ProjectInfo } from '../../../src/ui/api.ts'
import { safe } from '../format.ts'
import { announce } from './connection.ts'

export const project = signal<ProjectInfo | undefined>(undefined)

/** Why the pipelines cannot be read now. */
export const projectFailure = signal<ApiError['error'] | undefined>(undefined)

/** Names of all pipelines, in order; undefined until they are known. */
export const names = signal<readonly string[] | undefined>(undefined)

export function takeFailure({ error }: ApiError): void {
  if (projectFailure.peek()?.message !== error.message) announce(`The pipelines cannot be read: ${safe(error.message)}`)
  projectFailure.value = error
}

interface Known {
  readonly row: Signal<PipelineRow>
  text: string
}

const known = new Map<string, Known>()

/** The row of a pipeline. Only what shows it is drawn again when it changes. */
export function rowOf(name: string): Signal<PipelineRow> | undefined {
  return known.get(name)?.row
}

export function takeRows(rows: readonly PipelineRow[]): void {
  batch(() => {
    projectFailure.value = undefined
    for (const row of rows) takeRow(row)
    const list = rows.map(({ name }) => name)
    const kept = new Set(list)
    for (const name of known.keys()) if (!kept.has(name)) known.delete(name)
    if (names.value?.join('\n') !== list.join('\n')) names.value = list
  })
}

function takeRow(row: PipelineRow): void {
  const text = JSON.stringify(row)
  const entry = known.get(row.name)
  if (entry === undefined) {
    known.set(row.name, { row: signal(row), text })
    return
  }
  if (entry.text === text) return
  const before = entry.row.value
  entry.text = text
  entry.row.value = row
  if (before.state !== row.state) announce(`${safe(row.name)}: ${row.state}`)
  else if (row.alerts.length > before.alerts.length)
    announce(`${safe(row.name)}: ${safe(row.alerts.at(-1)?.text ?? '')}`)
}
