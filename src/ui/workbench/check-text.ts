import { forgetCode } from '../../config/import-code.ts'
import { loadPipeline } from '../../config/load.ts'
import type { Problem } from '../../config/pipeline.ts'
import type { ApiProblem } from '../shapes.ts'
import type { CheckAnswer } from './api.ts'
import type { TextPlace } from '../load-text.ts'

/** What `sluice check` says of a pipeline file, or of a text in its place. */
export async function checkText({ root, name, text }: TextPlace): Promise<CheckAnswer> {
  await forgetCode()
  const { problems, notes } = await loadPipeline(name, { root, text, mode: 'check' })
  return { problems: [...problems, ...notes].map(shownProblem) }
}

/** Without the line of the file: it may hold a value that the page is not to show. */
export function shownProblem({ text: _text, ...problem }: Problem): ApiProblem {
  return problem
}
