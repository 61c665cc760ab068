import { SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'
import type { Report } from '../observe/report.ts'
import { hideInJson } from '../observe/secrets.ts'
import { describeCauses } from './causes.ts'

/** An error as a report has it. */
export function describeError(failure: SluiceError): NonNullable<Report['error']> {
  const causes = describeCauses(failure)
  return { code: failure.code, message: failure.message, ...(causes.length > 0 && { causes }) }
}

/** A report without secrets: a program may print it anywhere. */
export function hideInReport(report: Report): Report {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only texts change
  return hideInJson(report) as Report
}

/** The failure of a run that has read all but parts of some inputs. */
export function inputsDamaged(count: number): SluiceError {
  return new SluiceError(
    'INPUTS_DAMAGED',
    `${plural(count, 'input')} could not be read completely; all others were read`,
    {
      hint: 'they are listed above and in the report; repair them, or replace them by complete copies, and run the same command again',
    },
  )
}

/** Logs the rules that have matched nothing. */
export function noteUnmatched(rules: Report['rules'], note: Note): void {
  for (const { stage, rule, matches, searches } of rules) {
    if (matches === 0 && !searches) note('rule.unmatched', { stage, rule })
  }
}
