import { loadPipeline } from '../../config/load.ts'
import type { LoadOptions } from '../../config/load.ts'
import type { CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { standIn } from './stand-ins.ts'

/** Where a test and its pipeline are. */
export interface TestPlace {
  /** Path of the pipeline file. */
  readonly pipeline: string
  /** What an editor holds, instead of what is in the file. */
  readonly text?: string | undefined
  readonly test: PipelineTest
}

/**
 * Loads a pipeline as its test needs it: with the variables of the test, and stand-ins for all others.
 * @throws SluiceError CONFIG_INVALID with the first mistake
 */
export async function loadForTest(
  { pipeline: path, text, test }: TestPlace,
  parts: NonNullable<LoadOptions['parts']> = ['source', 'transforms', 'sinks'],
): Promise<CheckedPipeline> {
  const { pipeline, problems } = await loadPipeline(path, {
    mode: 'test',
    text,
    env: {},
    testEnv: test.env,
    standIn,
    parts,
  })
  if (pipeline) return pipeline
  const found = problems.find(({ severity }) => severity === 'error')
  const place = found === undefined ? '' : `${found.file}:${found.line}: `
  const hint = found?.hint === undefined ? '' : `${found.hint}; `
  throw new SluiceError('CONFIG_INVALID', `${place}${found?.message ?? 'the pipeline is not valid'}`, {
    hint: `${hint}variables that the test does not set have values such as "${standIn('NAME')}": set them in its env`,
  })
}
