import { componentLine } from '../../src/observe/messages/line.ts'
import type { Line } from '../../src/observe/messages/line.ts'
import type { Facts } from '../../src/observe/messages/table.ts'

/** A `note` that gives each line to a function, with the text that the log would have. */
export function noteTo(take: (line: Line) => unknown): (message: string, facts?: Facts) => void {
  return (message, facts = {}) => void take(componentLine(message, facts, 'stage'))
}
