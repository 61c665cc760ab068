import { addTest } from '../workbench/add-test.ts'
import { checkText } from '../workbench/check-text.ts'
import { readSource } from '../workbench/read-source.ts'
import { runTests } from '../workbench/run-tests.ts'
import { tryText } from '../workbench/try-text.ts'

/**
 * What runs in a thread beside the server, because it may take long or run custom code. Each takes one value
 * and answers with one, which messages between threads can hold.
 */
export const jobs = { addTest, checkText, readSource, runTests, tryText }

export type Jobs = typeof jobs
