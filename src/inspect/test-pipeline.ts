import { basename, join } from 'node:path'
import type { CheckedPipeline, PipelineTest } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'
import { runPipelineTest } from './pipeline-tests.ts'
import type { Expectation } from './pipeline-tests.ts'

/** The result of one test of a pipeline. */
export interface PipelineTestResult {
  readonly name: string
  /** The file with the test, and its line. */
  readonly file: string
  readonly line: number
  /** A readable description of each difference. Empty if the test passed. */
  readonly differences: readonly string[]
}

/** The same, with what reports need. */
export interface TestedCase extends PipelineTestResult {
  /** The test could not run: a mistake in it, or in the pipeline. */
  readonly mistake?: SluiceError
  readonly seconds: number
  readonly test: PipelineTest
  /** See `TestResult.actual`. */
  readonly actual?: Expectation | undefined
}

/** A rule of a stage, and how many values it has matched in all tests. */
interface TestedRule {
  readonly stage: string
  readonly rule: string
  readonly matches: number
  readonly searches?: true
}

interface TestChoice {
  readonly isChosen?: (test: PipelineTest) => boolean
  readonly text?: string | undefined
}

/**
 * Runs the tests of a pipeline, one after the other. Returns the rules of its stages at the end.
 * @param load Checks the pipeline for tests. Each test has its own environment.
 * @param options.isChosen Whether to run a test. Default: all.
 * @param options.text What an editor holds, instead of what is in the file.
 */
export async function* testPipeline(
  load: (testEnv?: { readonly [name: string]: string }) => Promise<CheckedPipeline>,
  { isChosen = () => true, text }: TestChoice = {},
): AsyncGenerator<TestedCase, readonly TestedRule[]> {
  const { tests, folder, file } = await load()
  const path = join(folder, basename(file))
  const rules = new Map<string, TestedRule>()
  for (const test of tests.filter(isChosen)) {
    const start = performance.now()
    const result = await runPipelineTest(() => load(test.env), test, { pipeline: path, text }).catch(
      (error: unknown) => {
        return {
          differences: [],
          rules: [],
          mistake: asSluiceError(error, 'INTERNAL', 'the test failed'),
          actual: undefined,
        }
      },
    )
    for (const rule of result.rules) {
      const name = `${rule.stage}: ${rule.rule}`
      rules.set(name, { ...rule, matches: (rules.get(name)?.matches ?? 0) + rule.matches })
    }
    yield {
      name: test.name,
      file: test.file,
      line: test.line,
      differences: result.differences,
      ...('mistake' in result && { mistake: result.mistake }),
      seconds: (performance.now() - start) / 1000,
      test,
      actual: result.actual,
    }
  }
  return [...rules.values()]
}
