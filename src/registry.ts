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

/** The built-in components, one line each, in the order in which documentation lists them. */
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

/** A built-in component, or undefined when there is none of that kind and type. */
export function findComponent(kind: Kind, type: string): Declaration | undefined {
  return components.find((component) => component.kind === kind && component.type === type)
}

/** The types of a kind that `type:` may name. */
export function builtInTypes(kind: Kind): string[] {
  return components.filter((component) => component.kind === kind).map(({ type }) => type)
}

export type Declaration = SourceDeclaration | TransformDeclaration | SinkDeclaration
export type Kind = Declaration['kind']
