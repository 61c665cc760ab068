import { forgetCode } from '../../config/import-code.ts'
import { addTest as addTestTo } from '../../inspect/edit/add-test.ts'
import type { EditedText } from './api.ts'
import { loadText } from '../load-text.ts'

interface AddTestOptions {
  /** The project folder. */
  readonly root: string
  /** Of the pipeline. */
  readonly name: string
  readonly text: string
  /** Name of the test. */
  readonly test: string
  /** Lines of the samples. */
  readonly lines: readonly string[]
}

/** A text with a test that is made of samples. */
export async function addTest({ root, name, text, test, lines }: AddTestOptions): Promise<EditedText> {
  await forgetCode()
  return addTestTo(text, { name: test, lines }, (edited) => loadText({ root, name, text: edited }, { mode: 'test' }))
}
