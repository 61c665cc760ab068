import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { sourceContract } from 'sluice/testing'
import folder from '../../../examples/sources/csv-folder.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import { createFolder } from '../../support/temporary-folder.ts'
import { stringify } from './csv-text.ts'

const FILES = ['a.csv', 'b.csv', 'c.csv', 'd.csv']

const rowsOf = (word: string, name: string): JsonObject[] =>
  Array.from({ length: 600 }, (_, at) => ({ id: `${name} ${at}`, word, text: 'x'.repeat(at % 7) }))

describe('the source of a folder of CSV files keeps the contract, and divides it by files', () => {
  const cases = sourceContract(folder, {
    async open() {
      const { path, remove } = await createFolder()
      for (const name of FILES) await writeFile(join(path, name), stringify(rowsOf('old', name)))
      await writeFile(join(path, 'notes.txt'), 'no CSV')
      return { path, config: { path }, records: FILES.flatMap((name) => rowsOf('old', name)), close: remove }
    },
    async replace({ path }, how) {
      for (const name of FILES) {
        const written = join(path, how === 'renamed' ? `${name}.new` : name)
        await writeFile(written, stringify(rowsOf('new', name)))
        if (how === 'renamed') await rename(written, join(path, name))
      }
      return FILES.flatMap((name) => rowsOf('new', name))
    },
    truncate: 'a file that is shorter is another one',
    append: 'a file that is longer is another one',
    followless: 'it reads files that are complete',
    fail: ({ path }) => rm(path, { recursive: true }),
    enlarge: 'its files are read like the one of csv.ts',
  })
  for (const { name, run } of cases) test(name, run)
})
