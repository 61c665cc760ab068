import { createHash } from 'node:crypto'
import { hashCode } from '../config/code-hash.ts'
import { isCustom } from '../config/component-name.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { configuredFiles } from './configured-files.ts'
import { withoutSecrets } from './plan.ts'

/**
 * A digest of each thing that a pipeline is configured with, by its place: `source.path`, `redact`,
 * `sink s3`, `routes`, `limits`. Secrets are not part of it, so it may be stored.
 */
export async function describeConfiguration(pipeline: CheckedPipeline): Promise<{ [place: string]: string }> {
  const { source, transforms, sinks, routes, rejects, limits, folder } = pipeline
  const described: { [place: string]: string } = {
    source: digest(source.declaration.type),
    limits: digest(limits),
    routes: digest(routes ?? null),
  }
  for (const [field, value] of Object.entries(source.config))
    described[`source.${field}`] = digest(withoutSecrets(source.declaration, { [field]: value }))
  const stages = [
    ...transforms.map((one) => ({ ...one, place: one.stage })),
    ...sinks.map((sink) => ({ ...sink, place: `sink ${sink.stage}` })),
    ...(rejects ? [{ ...rejects, place: `rejects ${rejects.stage}` }] : []),
  ]
  for (const { declaration, config, place } of stages) {
    const code = isCustom(declaration.type)
      ? await hashCode(declaration.type, folder)
      : 'code' in declaration
        ? declaration.code?.(config, { pipeline: pipeline.name, folder, stage: place }).sha256
        : ''
    const files = declaration.kind === 'transform' ? [...(await configuredFiles([config])).values()] : []
    described[place] = digest([withoutSecrets(declaration, config), code, ...files].join(' '))
  }
  return described
}

/** Places where two configurations differ. */
export function configurationChanges(
  one: Readonly<{ [place: string]: string }>,
  other: Readonly<{ [place: string]: string }>,
): string[] {
  const places = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...places].filter((place) => one[place] !== other[place])
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}
