import { createHash } from 'node:crypto'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { hashCode } from '../config/code-hash.ts'
import { codeOf } from '../config/load-component.ts'
import { isCustom } from '../config/component-name.ts'
import type { KeyDefinition } from '../delivery/state/fingerprint.ts'
import type { Json } from '../record/json/json.ts'
import { reaches } from '../record/paths/reaches.ts'

type Parts = { -readonly [Name in 'stages' | 'code']: NonNullable<KeyDefinition[Name]>[number][] }

/**
 * What decides the dedup keys of a pipeline: the paths of the key, and what the stages before
 * `dedup` do to the values there. A stage that cannot change them is left out.
 */
export async function keyDefinitionOf(
  pipeline: Pick<CheckedPipeline, 'name' | 'folder' | 'transforms'>,
): Promise<KeyDefinition> {
  const dedup = findDedup(pipeline)
  if (dedup === undefined) return {}
  const { key, time = null } = dedup.settings
  const parts: Parts = { stages: [], code: [] }
  const before = pipeline.transforms.slice(0, dedup.index)
  const sources = sourcesOf(key, before)
  for (const [at, { declaration, config, stage }] of pipeline.transforms.slice(0, dedup.index + 1).entries()) {
    const { type } = declaration
    const isDedup = stage === dedup.stage
    const context = { pipeline: pipeline.name, folder: pipeline.folder, stage }
    if (declaration.effectOn && !isDedup) {
      const effect = await declaration.effectOn(config, sources[at], context)
      if (effect) parts.stages.push({ type, settings: asJson(effect.settings), secrets: effect.secrets ?? [] })
    } else if (declaration.code && !isDedup) {
      const { sha256, options } = declaration.code(config, context)
      parts.code.push({ type, sha256, options: asJson(options) })
    } else if (isCustom(type)) {
      const { onError: _onError, concurrency: _concurrency, parallel: _parallel, ...options } = config
      const code = codeOf(declaration)
      const sha256 =
        code === undefined ? await hashCode(type, pipeline.folder) : createHash('sha256').update(code).digest('hex')
      parts.code.push({ type, sha256, options: asJson(options) })
    }
  }
  return { dedup: { key, time }, ...parts }
}

/**
 * By stage: the paths whose values become a part of the dedup key, as the stage leaves them. They are
 * those of the key, and what later stages copy or move there.
 */
function sourcesOf(key: readonly string[], stages: CheckedPipeline['transforms']): (readonly string[])[] {
  let paths = key
  const sources: (readonly string[])[] = []
  for (const { declaration, config } of stages.toReversed()) {
    sources.unshift(paths)
    const writes = declaration.shape?.(config).writes ?? []
    const read = writes.flatMap(({ path, from }) => (paths.some((one) => reaches(path, one)) ? from : []))
    if (read.length > 0) paths = [...new Set([...paths, ...read])]
  }
  return sources
}

/** As the state will store it. */
function asJson(value: unknown): Json {
  const json: Json = JSON.parse(JSON.stringify(value))
  return json
}
