import { SluiceError } from '../../errors.ts'
import { ONLY_SINK, REJECTS, sinkNameOf } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'

/** A sink of the pipeline file, as far as it tells which objects are its own. */
interface NamedTarget {
  /** See `ObjectTarget`. */
  readonly name: string
  readonly type: string
}

/**
 * The sink that publishes an object, or reads it back: the one with its name and type. Copies of rejects
 * fall back to any sink of the type, and so do objects of a pipeline file with `sink`, if there is only
 * one. Undefined if the pipeline no longer has such a sink.
 */
export function targetOf<Target extends NamedTarget>(
  row: Pick<ObjectRow, 'role' | 'sink' | 'type'>,
  targets: readonly Target[],
): Target | undefined {
  const name = sinkNameOf(row)
  const candidates = targets.filter(({ type }) => type === row.type)
  const own = candidates.find((target) => target.name === name)
  if (own || (name !== REJECTS && name !== ONLY_SINK)) return own
  return name === REJECTS || candidates.length === 1 ? candidates[0] : undefined
}

/** The error for an object that no sink of the pipeline can publish. */
export function noTarget(row: ObjectRow, targets: readonly NamedTarget[], pipeline: string): SluiceError {
  const name = sinkNameOf(row)
  const others = targets.filter((target) => target.name !== REJECTS)
  const redirect = `sluice state redirect ${pipeline}`
  if (others.some((target) => target.name === name) || (name === ONLY_SINK && others.length === 1)) {
    return new SluiceError(
      'STATE_MISMATCH',
      `${row.key} is committed for a sink of type ${row.type} and not published, but the pipeline no longer has such a sink`,
      {
        hint: `send what waits to the sink of the pipeline file with \`${redirect}\`, or run the pipeline once with its earlier configuration`,
      },
    )
  }
  const to = others.length === 1 ? '' : ` --to ${others[0].name}`
  return new SluiceError(
    'STATE_MISMATCH',
    `${row.key} is committed for the sink ${name} and not published, but the pipeline no longer has it`,
    {
      hint: `put \`${name}\` back into the pipeline file, or send what waits for it to another sink with \`${redirect}${to}\``,
    },
  )
}
