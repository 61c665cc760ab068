import { basename } from 'node:path'
import type { Finding } from '../../component.ts'
import { plural } from '../../observe/report.ts'
import { covers } from '../../record/paths/reaches.ts'
import { same, sourceFindings, targetFindings } from '../members/target-findings.ts'
import { loadTable } from './load-table.ts'
import type { MemberConfig } from './member.ts'
import type { Table, TableOptions } from './table.ts'
import { TableProblem } from './table-problem.ts'

interface Checked {
  readonly key: string
  readonly set: readonly MemberConfig[]
  readonly options: TableOptions
}

/** The mistakes in a `lookup`: first those of its configuration, then those of its table. */
export async function findingsOf({ key, set, options }: Checked): Promise<Finding[]> {
  const findings = [...memberFindings(key, set)]
  if (findings.some(({ severity }) => severity === undefined)) return findings
  try {
    const { table } = await loadTable(options)
    findings.push({ at: ['file'], message: `the table has ${table.about}`, severity: 'note' })
    findings.push(...unusedOptions(options, table))
    if (table.keyless) {
      const { count, line } = table.keyless
      const message = `${plural(count, 'row')} of the table without a key ${count === 1 ? 'is' : 'are'} not used, the first in line ${line}`
      findings.push({ at: ['by'], message, severity: 'warning' })
    }
    for (const { column, hint } of table.unknown) {
      const at = ['set', options.columns.indexOf(column), 'from']
      findings.push({ at, message: `nothing in the table has ${column}`, hint, severity: 'warning' })
    }
  } catch (error) {
    if (!(error instanceof TableProblem)) throw error
    const { at, message, hint } = error
    findings.push({
      at,
      message: `the table ${basename(options.file)} ${message}`,
      ...(hint !== undefined && { hint }),
    })
  }
  return findings
}

function* memberFindings(key: string, set: readonly MemberConfig[]): Generator<Finding> {
  yield* sourceFindings(key, ['key'])
  const targets = set.map(({ path }) => path)
  for (const [index, { path, default: value, ifAbsent }] of set.entries()) {
    yield* targetFindings(targets, index, ['set', index, 'path'])
    if (covers(path, key) && !same(path, key) && !ifAbsent) {
      const message = `${path} replaces the member that has the key ${key}`
      yield { at: ['set', index, 'path'], message, severity: 'warning' }
    }
    if (typeof value === 'string' && /\{record\./.test(value)) {
      const message = `the default of ${path} is a constant: {record.…} in it stays as it is`
      yield { at: ['set', index, 'default'], message, severity: 'warning' }
    }
  }
}

/** Options that say nothing about a table of this format. */
function* unusedOptions(options: TableOptions, { format }: Table): Generator<Finding> {
  const { match, by, delimiter, header: columns, ignoreCase: given } = options
  const ignoreCase = given || undefined
  const [about, unused] =
    format === 'mmdb'
      ? ['a MaxMind database is searched by IP address', { by, delimiter, columns, ignoreCase }]
      : format === 'ndjson'
        ? ['the table is NDJSON', { delimiter, columns }]
        : ['', {}]
  for (const [option, value] of Object.entries(unused)) if (value !== undefined) yield withoutEffect(option, about)
  if (match === 'cidr' && format !== 'mmdb' && given)
    yield withoutEffect('ignoreCase', 'keys are compared as addresses')
}

function withoutEffect(option: string, reason: string): Finding {
  return { at: [option], message: `${option} has no effect: ${reason}`, hint: 'leave it out', severity: 'warning' }
}
