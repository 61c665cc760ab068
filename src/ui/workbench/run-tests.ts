import { forgetCode } from '../../config/import-code.ts'
import { loadPipeline } from '../../config/load.ts'
import { SluiceError } from '../../errors.ts'
import { testPipeline } from '../../inspect/test-pipeline.ts'
import type { TestsAnswer } from './api.ts'
import { shownProblem } from './check-text.ts'
import type { TextPlace } from './workbench.ts'

/** Runs the tests of a pipeline file, or of a text in its place, as `sluice test` does. */
export async function runTests({
  root,
  name,
  text,
  filter = '',
}: TextPlace & { readonly filter?: string }): Promise<TestsAnswer> {
  await forgetCode()
  const { pipeline, problems } = await loadPipeline(name, { root, text, mode: 'test' })
  if (pipeline === undefined) return { problems: problems.map(shownProblem), tests: [] }
  const load = async (testEnv?: { readonly [name: string]: string }) => {
    const loaded = await loadPipeline(name, { root, text, mode: 'test', ...(testEnv && { testEnv }) })
    if (loaded.pipeline) return loaded.pipeline
    throw new SluiceError('CONFIG_INVALID', loaded.problems[0]?.message ?? 'the pipeline is not valid')
  }
  const tests: TestsAnswer['tests'] = []
  for await (const { name: test, file, line, differences, mistake, seconds } of testPipeline(load, {
    isChosen: (one) => one.name.includes(filter),
    text,
  }))
    tests.push({
      name: test,
      file,
      line,
      isPassed: mistake === undefined && differences.length === 0,
      differences: [...differences],
      ...(mistake && { mistake: [mistake.message, mistake.hint].filter(Boolean).join('. ') }),
      seconds,
    })
  return { problems: problems.map(shownProblem), tests }
}
