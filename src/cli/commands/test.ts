import { allPipelines } from '../../config/find-pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { print, say } from '../../observe/output.ts'
import { plural } from '../../observe/report.ts'
import { runPipelineTest } from '../../inspect/pipeline-tests.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'

interface TestArguments {
  readonly pipeline: string[] | undefined
}

export const command: CommandDefinition<TestArguments> = {
  builder: (parser) =>
    parser.positional('pipeline', {
      type: 'string',
      array: true,
      describe: 'Pipeline names or paths; default: all in pipelines/',
    }),
  handler: async ({ pipeline: names }) => {
    const chosen = names === undefined || names.length === 0 ? await allPipelines() : names
    const counts = { passed: 0, failed: 0 }
    for (const name of chosen) await testPipeline(name, counts)
    print(`${counts.passed} passed, ${counts.failed} failed`)
    if (counts.failed > 0)
      throw new SluiceError(
        'TESTS_FAILED',
        `${counts.failed} of ${plural(counts.passed + counts.failed, 'test')} failed`,
      )
  },
}

async function testPipeline(name: string, counts: { passed: number; failed: number }): Promise<void> {
  const [{ tests }] = await loadOrFail([name], { mode: 'test' })
  print(`${name}${tests.length === 0 ? ': no tests' : ''}`)
  const matched = new Map<string, number>()
  for (const test of tests) {
    // Each test has its own environment, so the file is loaded again.
    const [pipeline] = await loadOrFail([name], { mode: 'test', testEnv: test.env })
    const { differences, rules } = await runPipelineTest(pipeline, test)
    for (const { stage, rule, matches } of rules) {
      const label = `${stage}: ${rule}`
      matched.set(label, (matched.get(label) ?? 0) + matches)
    }
    if (differences.length === 0) {
      counts.passed++
      print(`  ok    ${test.name}`)
      continue
    }
    counts.failed++
    print(`  FAIL  ${test.name}  (${pipeline.file}:${test.line})`)
    for (const difference of differences) print(...indent(difference))
  }
  for (const [rule, matches] of matched) {
    if (matches === 0) say(`${name}: a rule matched nothing in all tests; is its path misspelt? ${rule}`)
  }
}

function indent(text: string): string[] {
  return text.split('\n').map((line) => `        ${line}`)
}
