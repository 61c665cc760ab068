import type { SourceDeclaration, TransformDeclaration, SinkDeclaration } from './component.ts'
import fileSink from './sinks/file.ts'
import s3 from './sinks/s3.ts'
import stdout from './sinks/stdout.ts'
import fileSource from './sources/file.ts'
import http from './sources/http.ts'
import jumpcloud from './sources/jumpcloud.ts'
import dedup from './transforms/dedup.ts'
import filter from './transforms/filter.ts'
import redact from './transforms/redact.ts'
import validate from './transforms/validate.ts'

/** The built-in components, in the order of the documentation. */
export const components: readonly Declaration[] = [
  // Sources.
  fileSource,
  http,
  jumpcloud,
  // Transforms.
  validate,
  redact,
  dedup,
  filter,
  // Sinks.
  s3,
  fileSink,
  stdout,
]

/** The built-in component of this kind and type, or undefined. */
export function findComponent(kind: ComponentKind, type: string): Declaration | undefined {
  return components.find((component) => component.kind === kind && component.type === type)
}

/** The values of `type:` that name a built-in component of this kind. */
export function builtInTypes(kind: ComponentKind): string[] {
  return components.filter((component) => component.kind === kind).map(({ type }) => type)
}

export type Declaration = SourceDeclaration | TransformDeclaration | SinkDeclaration
export type ComponentKind = Declaration['kind']
