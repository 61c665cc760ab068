import type { SourceDeclaration, TransformDeclaration, SinkDeclaration } from './component.ts'

export type Declaration = SourceDeclaration | TransformDeclaration | SinkDeclaration
export type ComponentKind = Declaration['kind']

/** What is known of a built-in component before its code is loaded. */
interface BuiltIn {
  readonly kind: ComponentKind
  readonly type: string
  /** The same as in the declaration: a test compares them. */
  readonly summary: string
  load(): Promise<{ readonly default: Declaration }>
}

/** The built-in components, in the order of the documentation. A component is loaded when it is used. */
export const builtIns: readonly BuiltIn[] = [
  {
    kind: 'source',
    type: 'file',
    summary: 'Reads NDJSON and JSON arrays from files, folders and standard input, plain or compressed.',
    load: () => import('./sources/file.ts'),
  },
  {
    kind: 'source',
    type: 's3',
    summary: 'Reads NDJSON and JSON arrays from objects of Amazon S3 or an S3-compatible store, plain or compressed.',
    load: () => import('./sources/s3.ts'),
  },
  {
    kind: 'source',
    type: 'http',
    summary: 'Reads records from an HTTP API, with pagination, time windows and tenants.',
    load: () => import('./sources/http.ts'),
  },
  {
    kind: 'source',
    type: 'jumpcloud',
    summary: 'Reads events from JumpCloud Directory Insights.',
    load: () => import('./sources/jumpcloud.ts'),
  },
  {
    kind: 'transform',
    type: 'validate',
    summary: 'Checks records against a JSON schema.',
    load: () => import('./transforms/validate.ts'),
  },
  {
    kind: 'transform',
    type: 'redact',
    summary: 'Masks, drops, shortens or pseudonymises values and what it finds in texts; by default secrets.',
    load: () => import('./transforms/redact.ts'),
  },
  {
    kind: 'transform',
    type: 'dedup',
    summary: 'Writes the first record of a key and counts the others as duplicates, across restarts and backfills.',
    load: () => import('./transforms/dedup.ts'),
  },
  {
    kind: 'transform',
    type: 'filter',
    summary: 'Keeps or drops the records that match a condition.',
    load: () => import('./transforms/filter.ts'),
  },
  {
    kind: 'transform',
    type: 'remove',
    summary: 'Removes members from records.',
    load: () => import('./transforms/remove.ts'),
  },
  {
    kind: 'transform',
    type: 'keep',
    summary: 'Keeps the listed members of records and removes all others.',
    load: () => import('./transforms/keep.ts'),
  },
  {
    kind: 'transform',
    type: 'set',
    summary: 'Sets members of records to constants, copies of other members, texts or defaults.',
    load: () => import('./transforms/set.ts'),
  },
  {
    kind: 'transform',
    type: 'compute',
    summary: 'Gives members of records values that expressions compute (CEL).',
    load: () => import('./transforms/compute.ts'),
  },
  {
    kind: 'transform',
    type: 'rename',
    summary: 'Renames members of records, and moves them into other objects.',
    load: () => import('./transforms/rename.ts'),
  },
  {
    kind: 'transform',
    type: 'parse',
    summary: 'Parses JSON, key=value pairs or a URL query in a text.',
    load: () => import('./transforms/parse.ts'),
  },
  {
    kind: 'transform',
    type: 'split',
    summary: 'Makes one record of each element of an array.',
    load: () => import('./transforms/split.ts'),
  },
  {
    kind: 'transform',
    type: 'exec',
    summary: 'Runs records through a program that reads and writes NDJSON.',
    load: () => import('./transforms/exec.ts'),
  },
  {
    kind: 'transform',
    type: 'ocsf',
    summary: 'Turns events of JumpCloud, Okta, GitHub and CloudTrail into events of OCSF 1.8.0.',
    load: () => import('./transforms/ocsf.ts'),
  },
  {
    kind: 'transform',
    type: 'lookup',
    summary: 'Adds members from a CSV, NDJSON or MaxMind file, found by a key or an IP address.',
    load: () => import('./transforms/lookup.ts'),
  },
  {
    kind: 'sink',
    type: 's3',
    summary: 'Writes compressed NDJSON objects to Amazon S3 or an S3-compatible store, each exactly once.',
    load: () => import('./sinks/s3.ts'),
  },
  {
    kind: 'sink',
    type: 'file',
    summary: 'Writes compressed NDJSON files below a folder, each exactly once.',
    load: () => import('./sinks/file.ts'),
  },
  {
    kind: 'sink',
    type: 'stdout',
    summary: 'Writes NDJSON to standard output as it arrives; has no state.',
    load: () => import('./sinks/stdout.ts'),
  },
]

/** Finds the component that a pipeline names. Undefined if it is not known. */
export type FindComponent = (kind: ComponentKind, type: string) => Promise<Declaration | undefined>

/** Loads the built-in component of this kind and type. Undefined if there is no such component. */
export async function findComponent(kind: ComponentKind, type: string): Promise<Declaration | undefined> {
  const found = builtIns.find((one) => one.kind === kind && one.type === type)
  return found && (await found.load()).default
}

/** Loads all built-in components, in the order of the documentation. */
export async function loadComponents(): Promise<Declaration[]> {
  const loaded = await Promise.all(builtIns.map((one) => one.load()))
  return loaded.map((module) => module.default)
}

/** The values of `type:` that name a built-in component of this kind. */
export function builtInTypes(kind: ComponentKind): string[] {
  return builtIns.filter((one) => one.kind === kind).map(({ type }) => type)
}
