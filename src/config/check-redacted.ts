import type { TransformDeclaration } from '../component.ts'
import type { FoundPath } from './check-paths.ts'
import type { CheckedComponent, Problem } from './pipeline.ts'
import type { Location } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'
import { covers, reaches } from '../record/paths/reaches.ts'

/** A transform of the pipeline, in its place. */
interface PlacedTransform {
  readonly component: CheckedComponent<TransformDeclaration>
  readonly paths: readonly FoundPath[]
  readonly location: Location
}

/** A member that a stage moves. */
interface Move {
  readonly stage: string
  readonly from: string
  readonly to: string
}

/**
 * Warns about a redaction that finds a value under its new name only. A record that a stage before
 * `rename` rejects still has the old name, and `redact` is all that hides values of rejects.
 */
export async function checkRedacted(transforms: readonly PlacedTransform[], problems: Problem[]): Promise<void> {
  const redactions = transforms.filter(({ component }) => component.declaration.type === 'redact')
  const moves: Move[] = []
  for (const { component, paths, location } of transforms) {
    if (component.declaration.type !== 'redact') {
      moves.push(...movesOf(component))
      continue
    }
    for (const { stage, from, to } of moves) {
      if (!(await changes(component, to)) || (await changesAny(redactions, from))) continue
      const rule = paths.find(({ text }) => covers(text, to) || reaches(text, to))
      problems.push(
        problemAt(
          rule?.location ?? location,
          `rejects keep ${from}: ${stage} moves it to ${to} before it is redacted`,
          {
            hint: `add a rule for ${from}, or move ${component.stage} before ${stage}`,
            severity: 'warning',
          },
        ),
      )
    }
  }
}

function movesOf({ declaration, config, stage }: CheckedComponent<TransformDeclaration>): Move[] {
  const { removes = [], writes = [] } = declaration.shape?.(config) ?? {}
  return writes.flatMap(({ path: to, from: [from, ...others] }) =>
    from !== undefined && others.length === 0 && removes.includes(from) ? [{ stage, from, to }] : [],
  )
}

async function changesAny(redactions: readonly PlacedTransform[], path: string): Promise<boolean> {
  for (const { component } of redactions) if (await changes(component, path)) return true
  return false
}

async function changes(
  { declaration, config, stage }: CheckedComponent<TransformDeclaration>,
  path: string,
): Promise<boolean> {
  const effect = await declaration.effectOn?.(config, [path], { pipeline: '', stage, folder: '/' })
  return effect !== undefined
}
