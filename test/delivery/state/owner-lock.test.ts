import assert from 'node:assert/strict'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { acquireOwnerLock, isHeld } from '../../../src/delivery/state/owner-lock.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

for (const [name, folderName] of [
  ['short', 'state'],
  ['longer than a socket address', join('x'.repeat(120), 'y'.repeat(120))],
] as const) {
  test(`a ${name} path: the socket is in the state folder, and is found under every path of it`, async (t) => {
    const base = await temporaryFolder(t)
    const folder = join(base, folderName)
    await mkdir(folder, { recursive: true })
    await symlink(folder, join(base, 'link'))
    const before = await readdir(tmpdir())
    const lock = await acquireOwnerLock(folder)
    const added = (await readdir(tmpdir())).filter((one) => one.includes('owner-') && !before.includes(one))
    assert.deepEqual(added, [])
    assert.deepEqual(await readdir(folder), [lock.owner.socket])
    for (const path of [folder, relative(process.cwd(), folder), join(base, 'link')])
      assert.equal(await isHeld(path, lock.owner), true, path)
    await lock.close()
    assert.deepEqual(await readdir(folder), [])
    assert.equal(await isHeld(folder, lock.owner), false)
  })
}
