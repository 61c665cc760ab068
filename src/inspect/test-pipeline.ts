import type { CheckedPipeline } from '../config/pipeline.ts'
import { runPipelineTest } from './pipeline-tests.ts'

/** The result of one test of a pipeline file. */
export interface PipelineTestResult {
  readonly name: string
  /** The pipeline file, and the line of the test in it. */
  readonly file: string
  readonly line: number
  /** A readable description of each difference. Empty if the test passed. */
  readonly differences: readonly string[]
}

/** A rule of a stage, and how many values it has matched in all tests. */
interface TestedRule {
  readonly stage: string
  readonly rule: string
  readonly matches: number
  readonly searches?: true
}

/**
 * Runs the tests of a pipeline file, one after the other. Returns the rules of its stages at the end.
 * @param load Checks the pipeline for tests. Each test has its own environment.
 */
export async function* testPipeline(
  load: (testEnv?: { readonly [name: string]: string }) => Promise<CheckedPipeline>,
): AsyncGenerator<PipelineTestResult, readonly TestedRule[]> {
  const { tests } = await load()
  const rules = new Map<string, TestedRule>()
  for (const test of tests) {
    const pipeline = await load(test.env)
    const result = await runPipelineTest(pipeline, test)
    for (const rule of result.rules) {
      const name = `${rule.stage}: ${rule.rule}`
      rules.set(name, { ...rule, matches: (rules.get(name)?.matches ?? 0) + rule.matches })
    }
    yield { name: test.name, file: pipeline.file, line: test.line, differences: result.differences }
  }
  return [...rules.values()]
}
