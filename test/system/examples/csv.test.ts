import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from './csv-text.ts'
import csv from '../../../examples/sources/csv.ts'
import { sourceContract } from 'sluice/testing'
import { openWorkspace } from '../../support/command.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { fileFixture } from '../../support/file-fixture.ts'
import { cp } from 'node:fs/promises'

describe('the CSV source keeps the contract', () => {
  const fixture = fileFixture({
    name: 'events.csv',
    write: (records) => Buffer.from(stringify(records)),
    more: (records) => Buffer.from(stringify(records, { header: false })),
    // As CSV has them: every column is text.
    read: ({ id, ...record }) => ({ ...record, id: String(id) }),
    textBytes: 300,
  })
  for (const { name, run } of sourceContract(csv, { ...fixture, followless: 'it reads a file that is complete' }))
    test(name, run)
})

test('a pipeline reads a CSV file, and after more rows have come only those', async (t) => {
  const workspace = await openWorkspace(t)
  await cp(`${REPOSITORY}/examples/sources`, workspace.path('sources'), { recursive: true })
  await cp(`${REPOSITORY}/node_modules/csv-parse`, workspace.path('node_modules/csv-parse'), { recursive: true })
  await workspace.write(
    'pipelines/users.yaml',
    'source: { type: ../sources/csv.ts, path: users.csv }\nsink: { type: file, path: out, key: all, compression: none }\n',
  )
  await workspace.write('users.csv', 'id,name\n1,ann\n2,"bob, the\nbuilder"\n')
  const first = await workspace.report(['run', 'users'])
  assert.equal(first.written, 2)
  await workspace.write('users.csv', 'id,name\n1,ann\n2,"bob, the\nbuilder"\n3,cid\n')
  const second = await workspace.report(['run', 'users'])
  assert.deepEqual([second.read, second.written], [1, 1])
})
