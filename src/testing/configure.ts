import { tmpdir } from 'node:os'
import { stringify } from 'yaml'
import type { Context } from '../component.ts'
import { checkOptions } from '../config/check.ts'
import type { Problem } from '../config/pipeline.ts'
import { readYaml } from '../config/read.ts'
import { renderProblems } from '../config/render.ts'
import { SluiceError } from '../errors.ts'
import { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import type { Declaration } from '../registry.ts'

/** The context of a component under test. `folder`: default the folder for temporary files. */
export function contextOf({ type, kind }: Declaration, folder = tmpdir()): Context {
  return { pipeline: 'contract', stage: type === '' ? kind : type, folder }
}

/**
 * Checks a configuration, written as in a pipeline file, and fills in defaults.
 * @throws SluiceError CONFIG_INVALID with all problems
 */
export async function configure(
  declaration: Declaration,
  config: object,
  folder?: string,
): Promise<{ readonly [key: string]: unknown }> {
  const { pipeline, stage, folder: base } = contextOf(declaration, folder)
  const problems: Problem[] = []
  const options = readYaml(stringify(config), { file: 'configuration of the fixture' }, problems)
  const scope = { name: pipeline, folder: base, root: process.cwd(), problems, secrets: new PipelineSecrets() }
  const owner = `${declaration.kind} ${stage}`
  const checked =
    options?.kind === 'map' &&
    (await checkOptions(declaration, options, { ...scope, stage, owner, location: options.location }))
  if (checked) return checked
  throw new SluiceError('CONFIG_INVALID', `the configuration is not valid:\n${await renderProblems(problems)}`)
}
