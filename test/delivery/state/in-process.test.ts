import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase, openToRead } from '../../../src/delivery/state/database.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('an owner can write a state that its process reads at the moment', async (t) => {
  const folder = await temporaryFolder(t)
  await (await openDatabase(folder)).close()
  const reader = await openToRead(folder)
  const opening = openDatabase(folder)
  // It waits for the reader, and a later reader waits for it.
  const later = opening.then(() => openToRead(folder))
  // Long enough for an owner that does not wait to open it, which LMDB would refuse.
  await Promise.race([later, sleep(200)])
  await reader.close()
  const owner = await opening
  owner.transactionSync(() => owner.putSync('n', 1))
  const second = await later
  assert.equal(second.get('n'), 1)
  await second.close()
  owner.transactionSync(() => owner.putSync('n', 2))
  assert.equal(owner.get('n'), 2)
  await owner.close()
})
