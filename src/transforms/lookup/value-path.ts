import { TableProblem } from './table-problem.ts'

/**
 * Parses a path into a record of a MaxMind DB: `country.iso_code`, `subdivisions[0].names["pt-BR"]`.
 * @throws TableProblem at `at`
 */
export function parseValuePath(text: string, at: readonly (string | number)[]): readonly (string | number)[] {
  if (!PATH.test(text)) {
    const hint = 'write keys and numbers of elements, such as country.names.en and subdivisions[0].iso_code'
    throw new TableProblem(
      at,
      `is a MaxMind database, and ${JSON.stringify(text)} is not a path into its records`,
      hint,
    )
  }
  return [...text.matchAll(STEP)].map(([, key, quoted, index]) => key ?? quoted ?? Number(index))
}

const PATH = /^(?:[^.[\]"\s]+|\["[^"\\]*"\])(?:\.[^.[\]"\s]+|\[\d{1,4}\]|\["[^"\\]*"\])*$/
const STEP = /(?:^|\.)([^.[\]"\s]+)|\["([^"\\]*)"\]|\[(\d{1,4})\]/g
