import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice, Duration, ExistingFile, RecordPath, Size } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { reaches } from '../record/paths/reaches.ts'
import { putMembers, refusalOf } from '../record/put-members.ts'
import type { Put } from '../record/put-members.ts'
import { CurrentTable } from './lookup/current-table.ts'
import { findingsOf } from './lookup/findings.ts'
import { KeyReader, NO_KEY } from './lookup/key-reader.ts'
import { MEMBER } from './lookup/member.ts'
import { NOT_FOUND } from './lookup/table.ts'
import type { TableOptions } from './lookup/table.ts'
import { compileTargets } from './lookup/targets.ts'

/**
 * Joins live records with a table: a file in memory. Rejected records stay as they are.
 *
 * What a record becomes depends on the table, and the table changes. So a member of the dedup key must
 * not come from one, and all executions of a parallel backfill have the same table.
 */
export default defineTransform({
  type: 'lookup',
  summary: 'Adds members from a CSV, NDJSON or MaxMind file, found by a key or an IP address.',
  fields: {
    file: ExistingFile({ description: 'The table. It is kept in memory, and read again when it has changed.' }),
    format: Type.Optional(
      Choice(['csv', 'ndjson', 'mmdb'], {
        description:
          'Default: by the ending of the name (`.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.json`, `.mmdb`), else by the content.',
      }),
    ),
    key: RecordPath({
      description:
        'The member of the record that is looked up, a path of keys: a text, a number or a boolean. Numbers are compared as they are spelled.',
    }),
    by: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'Where the table has the key: the name of a CSV column, or the path of a member in an NDJSON line. Not for MaxMind files.',
      }),
    ),
    match: Type.Optional(
      Choice(['exact', 'cidr'], {
        description:
          '`exact`, the default of CSV and NDJSON: the keys are equal. `cidr`: the key is an IP address, and the smallest range of the table that contains it counts (`10.0.0.0/8`, `2001:db8::/32`, or one address). MaxMind files are always searched by address.',
      }),
    ),
    set: Type.Array(MEMBER, {
      minItems: 1,
      description: 'The members that records get.',
    }),
    missing: Choice(['skip', 'reject'], {
      default: 'skip',
      description:
        'What to do with a record that is not found: its key is not in the table, absent, null, or not an IP address. `skip` gives it the defaults, `reject` rejects it with LOOKUP_MISS.',
    }),
    ignoreCase: Type.Boolean({ default: false, description: 'Compares keys without regard to upper and lower case.' }),
    delimiter: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1,
        description: 'The character between the cells of a CSV file. Default: a comma, in `.tsv` files a tab.',
      }),
    ),
    columns: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'The names of the columns of a CSV file without a header row.',
      }),
    ),
    maxSize: Size({
      default: '256MiB',
      description:
        'A larger file is refused. A table takes about as much memory as its file, and several times as much while it is read, in each worker.',
    }),
    reload: Duration({
      default: '30s',
      description:
        'How often the file is looked at, between two batches. A changed file is read when it was the same at two looks. Workers of a parallel backfill keep the table of their start.',
    }),
  },
  examples: [
    {
      title: 'The owner of an account, from a CSV file',
      config: {
        file: '../tables/accounts.csv',
        key: 'account_id',
        by: 'id',
        set: [
          { path: 'account.owner', from: 'owner' },
          { path: 'account.tier', from: 'tier', default: 'unknown' },
        ],
      },
    },
    {
      title: 'The site of an address, by CIDR',
      config: {
        file: '../tables/networks.ndjson',
        key: 'client_ip',
        by: 'network',
        match: 'cidr',
        set: [{ path: 'site', from: 'site.name' }],
      },
    },
    {
      title: 'Country and city of an address, from a MaxMind file',
      config: {
        file: '../tables/geo.mmdb',
        key: 'client_ip',
        set: [
          { path: 'geo.country', from: 'country.iso_code' },
          { path: 'geo.region', from: 'subdivisions[0].iso_code' },
          { path: 'geo.city', from: 'city.names.en' },
        ],
      },
    },
  ],
  check: (config) => findingsOf({ ...config, options: optionsOf(config) }),
  async effectOn({ file, key, by, match, set, missing, ignoreCase }, targets) {
    const touching = set.filter(({ path }) => targets.some((target) => reaches(path, target)))
    if (touching.length === 0) return undefined
    const table = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    return { settings: { table, key, by, match, set: touching, missing, ignoreCase } }
  },
  shape: ({ key, set }) => ({ writes: set.map(({ path }) => ({ path, from: [key], varies: true })) }),
  reusesBuffers: true,
  async create(config, context) {
    const { stage, paths } = context
    const current = await CurrentTable.open(optionsOf(config), context, config.reload)
    const reader = new KeyReader(paths.add(config.key), config.ignoreCase)
    const targets = compileTargets(config.set, paths)
    const counts = { found: 0, 'not found': 0, 'not an address': 0, 'without a key': 0 }

    /** What a record gets; undefined if it is rejected. */
    const putsOf = (batch: Batch, record: number): readonly Put[] | undefined => {
      const row = reader.find(batch, record, current.table)
      if (row >= 0) {
        counts.found++
        return targets.ofRow(row, current.table)
      }
      const outcome = row === NOT_FOUND ? 'not found' : row === NO_KEY ? 'without a key' : 'not an address'
      counts[outcome]++
      if (config.missing === 'skip') return targets.defaults
      const problem = {
        'not found': 'is not in the table',
        'without a key': 'is missing',
        'not an address': 'is not an IP address',
      }
      batch.reject(record, 'LOOKUP_MISS', stage, `${config.key} ${problem[outcome]}`)
      return undefined
    }

    const apply = (batch: Batch): void => {
      for (let record = 0; record < batch.count; record++) {
        if (batch.states[record] !== RecordState.live) continue
        const given = putsOf(batch, record)
        if (given === undefined) continue
        const puts = targets.missingIn(batch, record, given)
        const refusal = refusalOf(batch, record, puts)
        if (refusal === undefined) putMembers(batch, record, puts)
        else batch.reject(record, refusal.code, stage, refusal.detail)
      }
    }

    const look = async (): Promise<void> => {
      if (await current.look()) targets.forget()
    }

    return {
      batch(batch) {
        if (!current.isDue) return apply(batch)
        return look().then(() => apply(batch))
      },
      ruleMatches: () => [
        { rule: `key ${config.key}`, matches: counts.found + counts['not found'] + counts['not an address'] },
        { rule: config.by === undefined ? 'file' : `by ${config.by}`, matches: counts.found },
      ],
      counts: () => counts,
    }
  },
})

interface LookupConfig extends Pick<TableOptions, 'file' | 'ignoreCase' | 'maxSize'> {
  readonly format?: TableOptions['format']
  readonly match?: TableOptions['match']
  readonly by?: string
  readonly set: readonly { readonly from: string }[]
  readonly delimiter?: string
  readonly columns?: readonly string[]
}

function optionsOf({
  file,
  format,
  match,
  by,
  set,
  ignoreCase,
  delimiter,
  columns,
  maxSize,
}: LookupConfig): TableOptions {
  return {
    file,
    format,
    match,
    by,
    columns: set.map(({ from }) => from),
    ignoreCase,
    delimiter,
    header: columns,
    maxSize,
  }
}
