import { listRejects, readReject } from '../rejects/list-rejects.ts'
import { tryRejects } from '../rejects/try-rejects.ts'
import { writeChoice } from '../rejects/write-choice.ts'
import { checkFile } from '../check-file.ts'
import { addTest } from '../workbench/add-test.ts'
import { checkText } from '../workbench/check-text.ts'
import { completeText, describeText } from '../workbench/complete-text.ts'
import { readSource } from '../workbench/read-source.ts'
import { runTests } from '../workbench/run-tests.ts'
import { tryText } from '../workbench/try-text.ts'

/**
 * What runs in a process beside the server, because it may take long or run custom code. Each takes one value
 * and answers with one, which messages between processes can hold.
 */
export const jobs = {
  addTest,
  checkFile,
  checkText,
  completeText,
  describeText,
  listRejects,
  readReject,
  readSource,
  runTests,
  tryRejects,
  tryText,
  writeChoice,
}

export type Jobs = typeof jobs
