import { SluiceError } from '../errors.ts'
import type { Expression } from '../fields/expression/expression.ts'
import type { FoundPath } from './check-paths.ts'
import { subject } from './explain.ts'
import type { Problem } from './pipeline.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, childSchemas } from './schema.ts'
import type { Keys, Located, LocatedScalar, Location } from './yaml-location.ts'
import { isIncomplete, problemAt } from './yaml-location.ts'

/** An expression in the configuration. */
export interface FoundExpression {
  readonly text: string
  readonly use: 'condition' | 'value'
  readonly keys: Keys
  readonly node: LocatedScalar
}

/** All expressions in the configuration of a component. Those with unset variables are left out. */
export function expressionsIn(schemas: readonly FieldSchema[], node: Located, keys: Keys = []): FoundExpression[] {
  if (node.kind === 'scalar') {
    const format = schemas.flatMap(branchesOf).find((one) => one.format !== undefined && one.format in USES)?.format
    if (format === undefined || typeof node.value !== 'string' || node.value === '' || isIncomplete(node)) return []
    return [{ text: node.value, use: USES[format], keys, node }]
  }
  const children = node.kind === 'list' ? [...node.items.entries()] : [...node.entries].map(valueOf)
  return children.flatMap(([key, child]) => {
    const inner = schemas.flatMap((schema) => childSchemas(schema, key))
    return inner.length === 0 ? [] : expressionsIn(inner, child, [...keys, key])
  })
}

const USES: { readonly [format: string]: FoundExpression['use'] } = {
  expression: 'value',
  'condition-expression': 'condition',
}

function valueOf([key, { value }]: readonly [string, { value: Located }]): [string, Located] {
  return [key, value]
}

/**
 * Reports the mistakes in expressions, with their place in the text.
 * @param owner names the component in messages
 */
export async function checkExpressions(
  found: readonly FoundExpression[],
  owner: string,
  problems: Problem[],
): Promise<void> {
  for (const one of found) {
    const odd = one.node.inserted?.find(({ text }) => /["'\\\n]/.test(text))
    if (odd !== undefined) {
      problems.push(
        problemAt(
          one.node.location,
          `${subject(one.keys, owner)}: \${${odd.name.replace('.', ':')}} has a quote, a backslash or a line break in it`,
          {
            hint: 'it would change the expression: insert names and numbers only',
          },
        ),
      )
      continue
    }
    const compiled = await compiledOf(one)
    const mistake = compiled instanceof SluiceError ? compiled : compiled.mistake(one.use)
    if (mistake !== undefined) problems.push(problemOf(one, mistake, owner))
  }
}

/** Reports the types in expressions that the schema of an earlier `validate` rules out. */
export async function checkExpressionTypes(
  found: readonly FoundExpression[],
  { owner, typesOf }: { owner: string; typesOf: (path: string) => readonly string[] },
  problems: Problem[],
): Promise<void> {
  for (const one of found) {
    const compiled = await compiledOf(one)
    const mistake = compiled instanceof SluiceError ? undefined : compiled.mistake(one.use, typesOf)
    if (mistake === undefined) continue
    const { hint } = mistake
    const because = 'the types are those in the schema of validate'
    problems.push({ ...problemOf(one, mistake, owner), hint: hint === undefined ? because : `${hint}; ${because}` })
  }
}

/** The record paths that expressions read. */
export async function pathsRead(found: readonly FoundExpression[]): Promise<FoundPath[]> {
  const paths: FoundPath[] = []
  for (const one of found) {
    const compiled = await compiledOf(one)
    if (compiled instanceof SluiceError) continue
    for (const { path, offset, length } of compiled.places) {
      paths.push({ text: path, location: partOf(one.node, offset, length) })
    }
  }
  return paths
}

/** Most pipelines have no expression: the language is loaded with the first one. */
async function compiledOf({ text }: FoundExpression): Promise<Expression | SluiceError> {
  const { compileExpression } = await import('../fields/expression/expression.ts')
  try {
    return compileExpression(text)
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
}

function problemOf({ keys, node }: FoundExpression, mistake: SluiceError, owner: string): Problem {
  const { offset = 0, length = 1, message, hint } = mistake
  return problemAt(partOf(node, offset, length), `${subject(keys, owner)}: ${message}`, { hint })
}

function partOf(node: LocatedScalar, offset: number, length: number): Location {
  return node.place?.(offset, length) ?? node.location
}
