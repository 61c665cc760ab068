import { loadPipeline } from '../config/load.ts'
import type { LoadOptions } from '../config/load.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'

/** A pipeline file, and what an editor holds of it. */
export interface TextPlace {
  /** The project folder. */
  readonly root: string
  readonly name: string
  /** Undefined: what is in the file. */
  readonly text: string | undefined
}

/**
 * A pipeline file, or a text in its place, checked.
 * @throws SluiceError CONFIG_INVALID with its first error
 */
export async function loadText(
  { root, name, text }: TextPlace,
  options: Omit<LoadOptions, 'root' | 'text'>,
): Promise<CheckedPipeline> {
  const { pipeline, problems } = await loadPipeline(name, { root, text, ...options })
  if (pipeline) return pipeline
  const {
    file,
    line,
    message = 'the pipeline is not valid',
    hint,
  } = problems.find(({ severity }) => severity === 'error') ?? {}
  throw new SluiceError(
    'CONFIG_INVALID',
    file === undefined ? message : `${file}:${line}: ${message}`,
    hint === undefined ? {} : { hint },
  )
}
