import { allPipelines } from '../../config/find-pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { print, say } from '../../observe/output.ts'
import { plural } from '../../observe/report.ts'
import { testPipeline } from '../../inspect/test-pipeline.ts'
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
    for (const name of chosen) await testOne(name, counts)
    print(`${counts.passed} passed, ${counts.failed} failed`)
    if (counts.failed > 0)
      throw new SluiceError(
        'TESTS_FAILED',
        `${counts.failed} of ${plural(counts.passed + counts.failed, 'test')} failed`,
      )
  },
}

async function testOne(name: string, counts: { passed: number; failed: number }): Promise<void> {
  let heading: string | undefined
  const load = async (testEnv?: { readonly [name: string]: string }) => {
    const [pipeline] = await loadOrFail([name], { mode: 'test', ...(testEnv && { testEnv }) })
    if (heading === undefined) print((heading = `${name}${pipeline.tests.length === 0 ? ': no tests' : ''}`))
    return pipeline
  }
  const tests = testPipeline(load)
  let next = await tests.next()
  for (; next.done !== true; next = await tests.next()) {
    const { name: test, file, line, differences } = next.value
    if (differences.length === 0) {
      counts.passed++
      print(`  ok    ${test}`)
      continue
    }
    counts.failed++
    print(`  FAIL  ${test}  (${file}:${line})`)
    for (const difference of differences) print(...indent(difference))
  }
  for (const { stage, rule, matches, searches } of next.value) {
    if (matches > 0 || searches) continue
    say(`${name}: a rule matched nothing in all tests; is its path misspelt? ${stage}: ${rule}`)
  }
}

function indent(text: string): string[] {
  return text.split('\n').map((line) => `        ${line}`)
}
