import { forgetCode } from '../../config/import-code.ts'
import { loadPipeline, type LoadOptions } from '../../config/load.ts'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import { SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'

/** The new files of a pipeline have mistakes. */
export class ReloadRefused extends SluiceError {
  /** The problems with their places, as `sluice check` shows them. */
  readonly problems: string

  constructor(pipeline: string, { errors, problems }: { readonly errors: number; readonly problems: string }) {
    super('CONFIG_INVALID', `${plural(errors, 'error')} in ${pipeline}; the old configuration stays in use`)
    this.problems = problems
  }
}

/**
 * Loads a pipeline once more, custom code included.
 * @throws ReloadRefused
 */
export async function loadAgain(nameOrPath: string, options: LoadOptions): Promise<CheckedPipeline> {
  await forgetCode()
  const { pipeline, problems } = await loadPipeline(nameOrPath, options)
  if (pipeline !== undefined) return pipeline
  const { renderProblems } = await import('../../config/render.ts')
  const errors = problems.filter(({ severity }) => severity === 'error').length
  throw new ReloadRefused(nameOrPath, { errors, problems: await renderProblems(problems) })
}
