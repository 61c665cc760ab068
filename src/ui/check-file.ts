import { realpath } from 'node:fs/promises'
import { relative } from 'node:path'
import { findPipeline } from '../config/find-pipeline.ts'
import { forgetCode } from '../config/import-code.ts'
import { loadPipeline } from '../config/load.ts'
import { SluiceError } from '../errors.ts'
import { graphOf } from '../inspect/graph/model.ts'
import type { PipelineGraph } from '../inspect/graph/shape.ts'
import { isBelow } from './project-files.ts'
import type { ApiProblem } from './shapes.ts'
import { tenantPartitions } from './tenants.ts'
import { shownProblem } from './workbench/check-text.ts'

/** What a pipeline file says of its pipeline. */
export interface FileCheck {
  readonly description?: string | undefined
  /** As `sluice check`: a variable that is not set is a warning. */
  readonly problems: readonly ApiProblem[]
  readonly graph?: PipelineGraph | undefined
  /** See `tenantPartitions`. */
  readonly tenants: ReadonlyMap<string, string>
}

interface FilePlace {
  /** The project folder. */
  readonly root: string
  readonly name: string
}

/**
 * Checks a pipeline file, with its custom code.
 * @throws SluiceError PIPELINE_NOT_FOUND; USAGE for a link that leads out of the project
 */
export async function checkFile({ root, name }: FilePlace): Promise<FileCheck> {
  const path = await findPipeline(name, root)
  // Links within the project are how Kubernetes mounts files.
  if (!isBelow(await realpath(root), await realpath(path)))
    throw new SluiceError('USAGE', `${relative(root, path)} is a link that leads out of the project`, {
      hint: 'the page follows no such link: copy the file into the project',
    })
  await forgetCode()
  const { pipeline, problems, notes } = await loadPipeline(name, { root, mode: 'check' })
  return {
    description: pipeline?.description,
    problems: [...problems, ...notes].map(shownProblem),
    graph: pipeline && (await graphOf(pipeline)),
    tenants: pipeline ? tenantPartitions(pipeline) : new Map(),
  }
}
