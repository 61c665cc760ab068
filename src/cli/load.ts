import { loadPipeline, type LoadOptions } from '../config/load.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { writeRendered } from '../observe/output.ts'
import { plural } from '../observe/report.ts'

/**
 * Loads pipelines and prints their problems on stderr.
 * @throws SluiceError CONFIG_INVALID if a problem is an error; USAGE if two have the same name, since
 *   they would share a state
 */
export async function loadOrFail(names: readonly string[], options: LoadOptions): Promise<CheckedPipeline[]> {
  const loaded = await Promise.all(names.map((name) => loadPipeline(name, options)))
  // Tests run with placeholders for unset variables. `check` warns about them, so tests do not.
  const problems = loaded
    .flatMap(({ problems: found }) => found)
    .filter(({ severity }) => options.mode !== 'test' || severity === 'error')
  if (problems.length > 0) {
    const { renderProblems } = await import('../config/render.ts')
    writeRendered(process.stderr, await renderProblems(problems, process.stderr))
  }
  const pipelines = loaded.flatMap(({ pipeline }) => pipeline ?? [])
  const errors = problems.filter(({ severity }) => severity === 'error').length
  if (pipelines.length < names.length || errors > 0) {
    throw new SluiceError('CONFIG_INVALID', `${plural(errors, 'error')} in ${names.join(', ')}`)
  }
  const twice = pipelines.find(({ name }, at) => pipelines.findIndex((other) => other.name === name) < at)
  if (twice !== undefined) throw new SluiceError('USAGE', `the pipeline ${twice.name} is given twice`)
  return pipelines
}
