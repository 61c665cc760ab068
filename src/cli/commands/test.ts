import { writeFile } from 'node:fs/promises'
import { allPipelines } from '../../config/find-pipeline.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { junitXml } from '../../inspect/junit.ts'
import type { TestedPipeline } from '../../inspect/junit.ts'
import { testPipeline } from '../../inspect/test-pipeline.ts'
import type { TestedCase } from '../../inspect/test-pipeline.ts'
import { print, say } from '../../observe/output.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { plural } from '../../observe/report.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'

interface TestArguments {
  readonly pipeline: string[] | undefined
  readonly filter: string | undefined
  readonly update: boolean
  readonly watch: boolean
  readonly junit: string | undefined
}

export const command: CommandDefinition<TestArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', {
        type: 'string',
        array: true,
        describe: 'Pipeline names or paths; default: all in pipelines/',
      })
      .option('filter', { type: 'string', requiresArg: true, describe: 'Run only tests whose name contains this text' })
      .option('update', {
        type: 'boolean',
        default: false,
        describe: 'Write what the tests find into their files, as the new `expect`',
      })
      .option('watch', {
        type: 'boolean',
        default: false,
        describe: 'Run the tests again when a file that they use changes, until stopped',
      })
      .option('junit', { type: 'string', requiresArg: true, describe: 'Write a JUnit XML report to this file' })
      .example('$0 test', 'run the tests of all pipelines')
      .example('$0 test okta --watch', 'while you edit the pipeline')
      .example('$0 test --junit tests.xml', 'for CI'),
  handler: async ({ pipeline: names = [], filter, update, watch, junit }) => {
    if (watch) {
      const { watchTests } = await import('../watch-tests.ts')
      return watchTests({ names, filter, update, junit })
    }
    const chosen = names.length === 0 ? await allPipelines() : names
    const tested: TestedPipeline[] = []
    let unusable: SluiceError | undefined
    try {
      for (const name of chosen) {
        try {
          await testOne(name, { filter, update }, tested)
        } catch (error) {
          // A mistake in one pipeline hides nothing of the others.
          if (!(error instanceof SluiceError) || error.code !== 'CONFIG_INVALID') throw error
          tested.push({ ...(tested.pop() ?? { pipeline: name, results: [] }), mistake: error })
          if (chosen.length === 1) throw error
          unusable ??= error
        }
      }
    } finally {
      // Also when a pipeline could not be loaded: CI shows what is there.
      if (junit !== undefined) await writeReport(junit, tested)
    }
    finish(tested, { filter, unusable })
  },
}

interface TestOptions {
  readonly filter: string | undefined
  readonly update: boolean
}

async function testOne(name: string, { filter, update }: TestOptions, tested: TestedPipeline[]): Promise<void> {
  let heading: string | undefined
  const load = async (testEnv?: { readonly [name: string]: string }) => {
    const [pipeline] = await loadOrFail([name], { mode: 'test', ...(testEnv && { testEnv }) })
    if (heading === undefined) print((heading = `${name}${pipeline.tests.length === 0 ? ': no tests' : ''}`))
    return pipeline
  }
  const results: TestedCase[] = []
  tested.push({ pipeline: name, results })
  const tests = testPipeline(load, {
    isChosen: (test) => filter === undefined || test.name.includes(filter),
  })
  let next = await tests.next()
  for (; next.done !== true; next = await tests.next()) {
    const result = next.value
    const isUpdated = update && (await updateOne(result))
    results.push(isUpdated ? { ...result, differences: [] } : result)
    show(result, isUpdated)
  }
  if (filter !== undefined) return
  for (const { stage, rule, matches, searches } of next.value) {
    if (matches > 0 || searches) continue
    say(`${name}: a rule matched nothing in all tests; is its path misspelt? ${stage}: ${rule}`)
  }
}

async function updateOne({ differences, actual, test }: TestedCase): Promise<boolean> {
  if (differences.length === 0 || actual === undefined) return false
  const { updateExpect } = await import('../../inspect/update-expect.ts')
  await updateExpect(test, actual)
  return true
}

function show({ name, file, line, differences, mistake }: TestedCase, isUpdated: boolean): void {
  if (mistake !== undefined) {
    print(`  ERROR ${name}  (${file}:${line})`, ...indent(`${mistake.code}: ${mistake.message}`))
    if (mistake.hint !== undefined) print(...indent(mistake.hint))
  } else if (differences.length === 0) print(`  ok    ${name}`)
  else if (isUpdated) print(`  new   ${name}  (${file}:${line})`)
  else {
    print(`  FAIL  ${name}  (${file}:${line})`)
    for (const difference of differences) print(...indent(difference))
  }
}

/** @throws SluiceError CONFIG_INVALID if a test could not run or a pipeline is not valid, TESTS_FAILED if one failed */
function finish(
  tested: readonly TestedPipeline[],
  { filter, unusable }: Pick<TestOptions, 'filter'> & { readonly unusable: SluiceError | undefined },
): void {
  const all = tested.flatMap(({ results }) => results)
  const mistakes = all.filter(({ mistake }) => mistake !== undefined)
  const failed = all.filter(({ differences }) => differences.length > 0).length
  const errors = mistakes.length === 0 ? '' : `, ${plural(mistakes.length, 'error')}`
  print(`${all.length - failed - mistakes.length} passed, ${failed} failed${errors}`)
  if (unusable) throw unusable
  if (all.length === 0 && filter !== undefined)
    throw new SluiceError('USAGE', `no test has "${filter}" in its name`, {
      hint: 'leave out --filter to see all names',
    })
  if (mistakes[0]?.mistake !== undefined)
    throw new SluiceError(mistakes[0].mistake.code, `${plural(mistakes.length, 'test')} could not run: see above`)
  if (failed > 0) throw new SluiceError('TESTS_FAILED', `${failed} of ${plural(all.length, 'test')} failed`)
}

async function writeReport(path: string, tested: readonly TestedPipeline[]): Promise<void> {
  try {
    await writeFile(path, hideSecrets(junitXml(tested)))
  } catch (error) {
    throw asSluiceError(error, 'DISK_FAILED', `cannot write the report ${path}`)
  }
}

function indent(text: string): string[] {
  return text.split('\n').map((line) => `        ${line}`)
}
