import type { Path, Paths } from '../../record/paths/path.ts'
import type { Value } from './values.ts'

/** Where names are looked up while an expression is compiled. */
export interface Compilation {
  readonly paths: Paths
  /** What is read of the record, by path. */
  readonly cells: Map<string, Cell>
  /** The slot of each variable of the macros around a part. */
  readonly variables: ReadonlyMap<string, number>
}

/** A value of the record. It is read once for each evaluation. */
export interface Cell {
  readonly path: Path
  evaluation: number
  /** Undefined if it is absent. */
  value: Value | undefined
}

export function cellOf({ paths, cells }: Compilation, text: string): Cell {
  const cell = cells.get(text) ?? { path: paths.add(text), evaluation: -1, value: undefined }
  cells.set(text, cell)
  return cell
}
