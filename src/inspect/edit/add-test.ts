import { basename, join } from 'node:path'
import type { CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { asRecord } from '../difference.ts'
import { runPipelineTest } from '../pipeline-tests.ts'
import type { TestResult } from '../pipeline-tests.ts'
import { withExpect } from '../update-expect.ts'
import { insertItem } from './insert.ts'
import type { Inserted } from './insert.ts'

interface AddedTest {
  readonly name: string
  /** Lines of NDJSON, as they are before any transform. */
  readonly lines: readonly string[]
}

/**
 * Adds a test to a pipeline text: its input, and what the pipeline makes of it, so that it passes. Runs the
 * transforms.
 * @param load Checks a text in place of the pipeline file, for tests.
 * @throws SluiceError CONFIG_INVALID if the text is not valid, or has a test of this name, or the test would not pass
 */
export async function addTest(
  text: string,
  { name, lines }: AddedTest,
  load: (text: string) => Promise<CheckedPipeline>,
): Promise<Inserted> {
  const withInput = insertItem(text, 'tests', { name, input: lines.map(inputOf) })
  const first = await run(name, withInput.text, load)
  const updated = first.actual && withExpect(withInput.text, first.test, first.actual)
  if (updated === undefined) throw wouldFail(first)
  const second = await run(name, updated, load)
  if (second.differences.length > 0) throw wouldFail(second)
  return { text: updated, line: withInput.line }
}

/** A record, or a line that a test can hold only as text. */
function inputOf(line: string): Json {
  try {
    const value: Json = JSON.parse(line)
    return isObject(value) ? asRecord(line) : line
  } catch {
    return line
  }
}

async function run(
  name: string,
  text: string,
  load: (text: string) => Promise<CheckedPipeline>,
): Promise<TestResult & { readonly test: PipelineTest }> {
  const pipeline = await load(text)
  const [test, another] = pipeline.tests.filter((one) => one.name === name)
  if (test === undefined || another !== undefined)
    throw new SluiceError('CONFIG_INVALID', `there is a test ${JSON.stringify(name)} already`, {
      hint: 'give this one another name',
    })
  const place = { pipeline: join(pipeline.folder, basename(pipeline.file)), text }
  return { ...(await runPipelineTest(() => Promise.resolve(pipeline), test, place)), test }
}

function wouldFail({ differences }: TestResult): SluiceError {
  return new SluiceError('CONFIG_INVALID', `the test would not pass: ${differences.join('\n')}`, {
    hint: 'a transform whose result is another one each time, such as one that asks for the time, cannot be tested like this',
  })
}
