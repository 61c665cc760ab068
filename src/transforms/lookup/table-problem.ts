import type { Finding } from '../../component.ts'
import { SluiceError } from '../../errors.ts'

/** Why a table cannot be used. The message is the end of a sentence that begins with the file's name. */
export class TableProblem extends Error {
  /** The place in the configuration: that of `Finding`. */
  readonly at: Finding['at']
  readonly hint: string | undefined

  constructor(at: Finding['at'], message: string, hint?: string) {
    super(message)
    this.name = 'TableProblem'
    this.at = at
    this.hint = hint
  }
}

/** The error of a run that needs the table. */
export function tableInvalid(name: string, { message, hint }: TableProblem): SluiceError {
  return new SluiceError('TABLE_INVALID', `the table ${name} ${message}`, { ...(hint !== undefined && { hint }) })
}
