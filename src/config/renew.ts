import { isDeepStrictEqual } from 'node:util'
import type { Renewal } from '../component.ts'
import type { WatchedFiles } from '../fields/watched-files.ts'
import { SECOND } from '../time.ts'
import { checkOptions, withoutType } from './check.ts'
import type { PipelineScope } from './check.ts'
import { interpolate } from './interpolate.ts'
import type { InterpolationScope } from './interpolate.ts'
import type { CheckedPipeline } from './pipeline.ts'
import type { Located } from './yaml-location.ts'

interface RenewOptions {
  /** The section of the source, before its `${...}` were replaced. */
  readonly written: Located
  readonly interpolation: Omit<InterpolationScope, 'problems' | 'files'>
  readonly scope: Omit<PipelineScope, 'problems'>
  /** The files that its `${file:PATH}` name, since before they were read. */
  readonly files: WatchedFiles
}

/**
 * Reads the files of `${file:PATH}` in a source again: new keys take effect while a run goes on. The
 * rest of the pipeline file stays as it was loaded. What the files contain is checked as it is at the
 * start. A key is hidden before anyone can use it.
 */
export function createRenewal(
  source: CheckedPipeline['source'],
  { written, interpolation, scope, files }: RenewOptions,
): Renewal {
  let latest: Awaited<ReturnType<Renewal['latest']>> = { config: source.config, problem: undefined }
  let lookedAt = -Infinity
  let reading: Promise<void> | undefined

  const read = async (): Promise<void> => {
    const problems: InterpolationScope['problems'] = []
    const node = interpolate(written, { ...interpolation, problems })
    if (node.kind !== 'map') return
    const { declaration, stage } = source
    const owner = `source ${declaration.type}`
    const checked = { ...scope, problems, stage, owner, location: node.location }
    const config = await checkOptions(declaration, withoutType(node), checked)
    const fault = problems.find(({ severity }) => severity === 'error')
    if (config === undefined || fault) latest = { ...latest, problem: fault?.message ?? 'the source cannot use it' }
    else latest = { config: isDeepStrictEqual(config, latest.config) ? latest.config : config, problem: undefined }
  }

  return {
    files: files.paths,
    async latest({ refused = false } = {}) {
      if (!refused && performance.now() - lookedAt < LOOK_EVERY) return latest
      lookedAt = performance.now()
      if (files.haveChanged(refused ? undefined : Date.now())) reading = (reading ?? Promise.resolve()).then(read)
      await reading
      return latest
    },
  }
}

/** Milliseconds between two looks at the files. */
const LOOK_EVERY = 5 * SECOND
