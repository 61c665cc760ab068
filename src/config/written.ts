import { basename, join } from 'node:path'
import { asSluiceError, SluiceError } from '../errors.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'
import { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import { hideSecrets } from '../observe/secrets.ts'
import { plural } from '../observe/report.ts'
import type { ComponentKind, Declaration } from '../registry.ts'
import { checkPipeline } from './check.ts'
import { componentOf } from './load-component.ts'
import { PIPELINE_NAME } from './find-pipeline.ts'
import type { CheckedPipeline, Problem } from './pipeline.ts'
import { problemAt } from './yaml-location.ts'
import type { Entry, Located, LocatedMap, Location } from './yaml-location.ts'

/** A component as a program writes it. */
export interface WrittenComponent {
  /** A built-in type, a file, an export of a package (as in YAML), or the component itself. */
  readonly type: unknown
  readonly options: { readonly [option: string]: unknown }
}

/** A pipeline as a program writes it: the parts of a pipeline file. */
export interface WrittenPipeline {
  readonly source: WrittenComponent
  readonly transforms: readonly WrittenComponent[]
  readonly sink: WrittenComponent
  readonly rejects: unknown
  /** The pipeline's state folder. Its name is the name of the pipeline. */
  readonly state: string | undefined
  /** Absolute path. */
  readonly folder: string
  readonly limits: unknown
  readonly allowRepeats: boolean | undefined
}

/**
 * Checks a pipeline that was wired in code, by the same rules as a pipeline file.
 * @throws SluiceError CONFIG_INVALID with all problems, COMPONENT_LOAD_FAILED
 */
export async function checkWritten(written: WrittenPipeline): Promise<CheckedPipeline> {
  const { folder, state } = written
  const name = state === undefined ? NAME : basename(state)
  const problems: Problem[] = []
  const secrets = new PipelineSecrets()
  addEnvironmentSecrets(process.env)
  if (!PIPELINE_NAME.test(name)) {
    throw new SluiceError('CONFIG_INVALID', `the state folder ${JSON.stringify(name)} is not a valid pipeline name`, {
      hint: 'its name is the name of the pipeline: use up to 64 letters, digits, ".", "_" and "-", and start with a letter or digit',
    })
  }
  const declared = new Map<Located, Declaration>()
  const root = locatePipeline(written, declared, problems)
  const path = join(folder, 'pipeline')
  const pipeline = await checkPipeline(root, {
    name,
    file: 'code',
    path,
    folder,
    root: folder,
    problems,
    secrets,
    declared,
  })
  try {
    const errors = problems.filter(({ severity }) => severity === 'error')
    if (pipeline === undefined || errors.length > 0) throw invalid(errors)
    checkState(pipeline, state)
    return pipeline
  } catch (error) {
    secrets.drop()
    throw error
  }
}

/** The name of a pipeline without a state. */
const NAME = 'pipeline'

function checkState({ sinks: [sink] }: CheckedPipeline, state: string | undefined): void {
  if (sink.declaration.delivers === 'objects' && state === undefined) {
    throw new SluiceError('CONFIG_INVALID', `sink ${sink.stage} has no state folder`, {
      hint: "add state: '.sluice/<name>' to the options of sink(...): it remembers what was read and written",
    })
  }
  if (sink.declaration.delivers === 'stream' && state !== undefined) {
    throw new SluiceError('CONFIG_INVALID', `sink ${sink.stage} is a stream and keeps no state`, {
      hint: 'remove `state`',
    })
  }
}

function invalid(errors: readonly Problem[]): SluiceError {
  const texts = errors.map(({ file, message, hint }) => ({
    message: hideSecrets(file.startsWith('transforms') ? `${file}: ${message}` : message),
    hint: hint === undefined ? undefined : hideSecrets(hint),
  }))
  const [only, ...others] = texts
  if (only === undefined) return new SluiceError('INTERNAL', 'the pipeline is incomplete')
  if (others.length === 0)
    return new SluiceError('CONFIG_INVALID', only.message, only.hint === undefined ? {} : { hint: only.hint })
  const lines = texts.map(({ message, hint }) => (hint === undefined ? message : `${message} (${hint})`))
  return new SluiceError('CONFIG_INVALID', `${plural(errors.length, 'error')} in the pipeline: ${lines.join('; ')}`)
}

function locatePipeline(
  { source, transforms, sink, rejects, limits, allowRepeats }: WrittenPipeline,
  declared: Map<Located, Declaration>,
  problems: Problem[],
): LocatedMap {
  const component = (written: WrittenComponent, kind: ComponentKind, label: string): LocatedMap =>
    locateComponent(written, { kind, label, declared, problems })
  const parts: [string, Located | undefined][] = [
    ['source', component(source, 'source', 'source')],
    [
      'transforms',
      {
        kind: 'list',
        location: at('transforms'),
        items: transforms.map((one, i) => component(one, 'transform', `transforms[${i}]`)),
      },
    ],
    ['sink', component(sink, 'sink', 'sink')],
    [
      'rejects',
      isPlain(rejects) ? component(rejectsOf(rejects), 'sink', 'rejects') : locate(rejects, 'rejects', problems),
    ],
    ['limits', locate(limits, 'limits', problems)],
    ['allowRepeats', locate(allowRepeats, 'allowRepeats', problems)],
  ]
  return mapOf(parts, at('code'))
}

function rejectsOf({ type, ...options }: { readonly [key: string]: unknown }): WrittenComponent {
  return { type, options }
}

interface ComponentScope {
  readonly kind: ComponentKind
  /** Names the component in messages if its own name does not: `transforms[1]`. */
  readonly label: string
  readonly declared: Map<Located, Declaration>
  readonly problems: Problem[]
}

function locateComponent({ type, options }: WrittenComponent, scope: ComponentScope): LocatedMap {
  const { kind, label, declared, problems } = scope
  const entries: [string, Located | undefined][] = []
  if (typeof type === 'string') entries.push(['type', { kind: 'scalar', location: at(label), value: type }])
  else if (type !== undefined) {
    try {
      const declaration = componentOf(type, kind)
      const node: Located = { kind: 'scalar', location: at(label), value: declaration.type }
      declared.set(node, declaration)
      entries.push(['type', node])
    } catch (error) {
      const { message, hint } = asSluiceError(error, 'COMPONENT_LOAD_FAILED', label)
      problems.push(problemAt(at(label), message, { hint }))
    }
  }
  for (const [key, value] of Object.entries(options)) entries.push([key, locate(value, label, problems, key)])
  return mapOf(entries, at(label))
}

/** A value of a program as if it was written in a pipeline file. A member that is undefined is absent. */
function locate(value: unknown, label: string, problems: Problem[], name = label, depth = 0): Located | undefined {
  const location = at(label)
  if (value === undefined) return undefined
  if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return { kind: 'scalar', location, value }
  if (typeof value === 'string') {
    const [, variable] = /\$\{env:(\w+)/.exec(value) ?? []
    if (variable !== undefined) {
      problems.push(
        problemAt(location, `\${env:${variable}} in ${name} is replaced in pipeline files only`, {
          hint: `write process.env.${variable}`,
        }),
      )
    }
    return { kind: 'scalar', location, value }
  }
  const inner = (child: unknown): Located | undefined => locate(child, label, problems, name, depth + 1)
  if (depth < MAX_DEPTH && Array.isArray(value)) {
    return { kind: 'list', location, items: value.flatMap((item: unknown) => inner(item ?? null) ?? []) }
  }
  if (depth < MAX_DEPTH && isPlain(value)) {
    return mapOf(
      Object.entries(value).map(([key, member]) => [key, inner(member)]),
      location,
    )
  }
  const what = depth < MAX_DEPTH ? `a ${typeof value}` : 'nested too deep, or contains itself'
  problems.push(
    problemAt(location, `${name} is ${what}`, { hint: 'options are text, numbers, booleans, lists and plain objects' }),
  )
  return undefined
}

/** As for pipeline files. */
const MAX_DEPTH = 64

function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function mapOf(members: readonly (readonly [string, Located | undefined])[], location: Location): LocatedMap {
  const entries = members.flatMap(([key, value]): [string, Entry][] =>
    value === undefined ? [] : [[key, { key: location, value }]],
  )
  return { kind: 'map', location, entries: new Map(entries) }
}

/** Code has no line and column that are known here: the label takes the place of a file. */
function at(label: string): Location {
  return { file: label, line: 1, column: 1, length: 1 }
}
