import { forgetCode } from '../../config/import-code.ts'
import { loadPipeline } from '../../config/load.ts'
import { testPipeline } from '../../inspect/test-pipeline.ts'
import type { TestsAnswer } from './api.ts'
import { shownProblem } from './check-text.ts'
import { loadText } from '../load-text.ts'
import type { TextPlace } from '../load-text.ts'

/** Runs the tests of a pipeline file, or of a text in its place, as `sluice test` does. */
export async function runTests({ root, name, text }: TextPlace): Promise<TestsAnswer> {
  await forgetCode()
  const { pipeline, problems } = await loadPipeline(name, { root, text, mode: 'test' })
  if (pipeline === undefined) return { problems: problems.map(shownProblem), tests: [] }
  const load = (testEnv?: { readonly [name: string]: string }) =>
    loadText({ root, name, text }, { mode: 'test', ...(testEnv && { testEnv }) })
  const tests: TestsAnswer['tests'][number][] = []
  for await (const { name: test, file, line, differences, mistake, seconds } of testPipeline(load, { text }))
    tests.push({
      name: test,
      file,
      line,
      isPassed: mistake === undefined && differences.length === 0,
      differences,
      ...(mistake && { mistake: [mistake.message, mistake.hint].filter(Boolean).join('. ') }),
      seconds,
    })
  return { problems: problems.map(shownProblem), tests }
}
