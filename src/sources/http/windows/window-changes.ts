import type { SourceEvent } from '../../../component.ts'
import type { OpenWindow } from './checkpoint.ts'
import type { PlannerEvent } from './planner-state.ts'

type WindowChange = Omit<Extract<SourceEvent, { readonly type: 'window' }>, 'type' | 'partition'>

/** The windows that an event of the planner has opened, completed or abandoned. */
export function windowChanges(
  event: PlannerEvent,
  before: OpenWindow | undefined,
  after: OpenWindow | undefined,
): WindowChange[] {
  const opened = after ? [change('open', after)] : []
  if (event.type === 'resume' || before === undefined) return opened
  if (event.type === 'pageRead') {
    const read = { ...before, pages: before.pages + 1, records: before.records + event.records }
    // A window that has fewer records than the API counted is read once more.
    return after?.pages === read.pages ? [] : [change('complete', read), ...opened]
  }
  if (after?.start === before.start && after?.end === before.end && after?.pages === before.pages) return []
  return [change('abandoned', before), ...opened]
}

function change(state: WindowChange['state'], { start, end, pages, records, sweep }: OpenWindow): WindowChange {
  return { state, start, end, isLookBack: sweep === true, pages, records }
}
