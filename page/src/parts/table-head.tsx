import type { JSX } from 'preact'

interface TableHeadProps {
  /** Titles of columns. */
  readonly columns: readonly (string | NumberColumn)[]
}

interface NumberColumn {
  /** Of a column of numbers, which stand at its right. */
  readonly number: string
}

export function TableHead({ columns }: TableHeadProps): JSX.Element {
  return (
    <thead>
      <tr>
        {columns.map((column) =>
          typeof column === 'string' ? (
            <th key={column} scope="col">
              {column}
            </th>
          ) : (
            <th key={column.number} scope="col" class="number">
              {column.number}
            </th>
          ),
        )}
      </tr>
    </thead>
  )
}
