import { loadPipeline, type LoadOptions } from '../config/load.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { renderProblems } from '../config/render.ts'
import { SluiceError } from '../errors.ts'

/** Loads pipelines; prints every problem of all of them on stderr, and throws when one is an error. */
export async function loadOrFail(names: readonly string[], options: LoadOptions): Promise<CheckedPipeline[]> {
  const loaded = await Promise.all(names.map((name) => loadPipeline(name, options)))
  // What a test does not set has a stand-in: `check` warns of it, once.
  const shown = options.mode === 'test' ? 'error' : undefined
  const problems = loaded
    .flatMap(({ problems: found }) => found)
    .filter(({ severity }) => severity === (shown ?? severity))
  if (problems.length > 0) process.stderr.write(renderProblems(problems, process.stderr))
  const pipelines = loaded.flatMap(({ pipeline }) => pipeline ?? [])
  if (pipelines.length < names.length || problems.some(({ severity }) => severity === 'error')) {
    const count = problems.filter(({ severity }) => severity === 'error').length
    throw new SluiceError('CONFIG_INVALID', `${count} ${count === 1 ? 'problem' : 'problems'} in ${names.join(', ')}`)
  }
  return pipelines
}
