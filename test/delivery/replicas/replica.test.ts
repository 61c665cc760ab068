import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ownerOf, sendersTo } from '../../../src/delivery/replicas/replica.ts'

const OWNERS = [1, 2, 3, 4, 4, 27]

const TENANTS = Array.from({ length: 2000 }, (_, at) => `org-${at}`)

describe('ownerOf', () => {
  test('stays the same for ever', () => {
    // Computed by another implementation of the same hash. Other values start tenants elsewhere.
    const owners = [1, 2, 3, 5, 7, 100].map((count) => ownerOf('jumpcloud', '5f0f6d6a1c9d440000a1b2c3', count))
    assert.deepEqual(owners, OWNERS)
  })

  test('spreads tenants evenly, and pipelines with one tenant too', () => {
    for (const owner of [(name: string) => ownerOf('p', name, 5), (name: string) => ownerOf(name, '', 5)]) {
      const counts = new Map<number, number>()
      for (const name of TENANTS) counts.set(owner(name), (counts.get(owner(name)) ?? 0) + 1)
      assert.deepEqual(
        [...counts.keys()].toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5],
      )
      for (const count of counts.values()) assert.ok(count > 320 && count < 480, `${count} of 2000`)
    }
  })

  test('moves tenants only between replicas that the change concerns', () => {
    for (let was = 1; was <= 9; was++) {
      for (let count = 1; count <= 9; count++) {
        if (was === count) continue
        for (const tenant of TENANTS.slice(0, 300)) {
          const [from, to] = [ownerOf('p', tenant, was), ownerOf('p', tenant, count)]
          if (from === to) continue
          assert.ok(sendersTo({ number: to, count }, was).includes(from), `${tenant}: ${from}/${was} to ${to}/${count}`)
        }
      }
    }
  })
})
