import { basename, dirname, extname, join, relative } from 'node:path'
import { namesIfPresent } from '../fields/present.ts'
import { checkFields } from './check-fields.ts'
import type { PipelineScope } from './check.ts'
import type { PipelineTest } from './pipeline.ts'
import { pipelineTest } from './pipeline-test.ts'
import { readPipelineFile } from './read.ts'
import { testFields } from './test-fields.ts'

/** The folder with the test files of a pipeline: `tests/NAME`, beside `pipelines/` or the file itself. */
export function testFolder(path: string): string {
  const folder = dirname(path)
  const project = basename(folder) === 'pipelines' ? dirname(folder) : folder
  return join(project, 'tests', basename(path, extname(path)))
}

/** The tests in the files of a pipeline's test folder, in the order of their names. */
export async function readTestFiles(scope: PipelineScope): Promise<PipelineTest[]> {
  const folder = testFolder(scope.path)
  const tests: PipelineTest[] = []
  for (const name of namesIfPresent(folder).toSorted()) {
    if (!ENDINGS.includes(extname(name))) continue
    const test = await readTestFile(join(folder, name), scope)
    if (test) tests.push(test)
  }
  return tests
}

const ENDINGS = ['.yaml', '.yml']

async function readTestFile(path: string, scope: PipelineScope): Promise<PipelineTest | undefined> {
  const { problems, root } = scope
  const below = relative(root, path)
  const file = below.startsWith('..') ? path : below
  const node = await readPipelineFile(path, file, problems, TEST_FILE)
  if (node === undefined) return undefined
  const owner = 'the test'
  const test = await checkFields(testFields, node, {
    ...scope,
    folder: dirname(path),
    compiledAs: 'test',
    secrets: undefined,
    owner,
    location: node.location,
  })
  return test && pipelineTest(test, { file, path, node, keys: [], problems })
}

const TEST_FILE = { what: 'test', start: '"name:", "pages:" and "expect:"' }
