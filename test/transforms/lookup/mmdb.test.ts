import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as fc from 'fast-check'
import { Reader } from 'mmdb-lib'
import type { CityResponse } from 'mmdb-lib'
import lookup from '../../../src/transforms/lookup.ts'
import { SluiceError } from '../../../src/errors.ts'
import { typed, writeMmdb } from '../../support/mmdb.ts'
import type { MmdbValue } from '../../support/mmdb.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { scaled } from '../../support/scale.ts'
import { createFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { assertStage, checkStage, runStage } from '../stage.ts'

const OPTIONS = { maxSize: 1 << 20, reload: 30_000, key: 'ip' }

const CITY = {
  city: { names: { en: 'Vienna', 'pt-BR': 'Viena' } },
  country: { iso_code: 'AT' },
  location: { latitude: 48.2083, longitude: -16.3731, accuracy_radius: typed.uint16(50) },
  subdivisions: [{ iso_code: '9' }, { iso_code: '10' }],
}

async function fileOf(t: TestContext, bytes: Buffer, name = 't.mmdb'): Promise<string> {
  const path = join(await temporaryFolder(t), name)
  await writeFile(path, bytes)
  return path
}

function setOf(...columns: readonly string[]): object[] {
  return columns.map((from, at) => ({ path: `v${at}`, from }))
}

test('finds addresses in trees of all sizes, and takes values by their paths', async (t) => {
  for (const recordSize of [24, 28, 32] as const) {
    for (const ipVersion of [4, 6] as const) {
      const networks: [string, MmdbValue][] = [
        ['81.0.0.0/8', { country: { iso_code: 'DE' } }],
        ['81.217.0.0/16', CITY],
        ['81.217.9.9/32', { city: { names: { en: 'Graz' } } }],
      ]
      if (ipVersion === 6) networks.push(['2001:db8::/32', { country: { iso_code: 'XX' } }])
      const file = await fileOf(t, writeMmdb(networks, { recordSize, ipVersion }))
      const set = setOf('country.iso_code', 'city.names["pt-BR"]', 'subdivisions[1].iso_code', 'location.longitude')
      const vienna = '"v0":"AT","v1":"Viena","v2":"10","v3":-16.3731'
      await assertStage(lookup, { ...OPTIONS, file, set }, [
        ['{"ip":"81.217.1.1"}', `{"ip":"81.217.1.1",${vienna}}`],
        ['{"ip":"::ffff:81.217.1.1"}', `{"ip":"::ffff:81.217.1.1",${vienna}}`],
        ['{"ip":"81.217.1.1:443"}', `{"ip":"81.217.1.1:443",${vienna}}`],
        ['{"ip":"81.1.1.1"}', '{"ip":"81.1.1.1","v0":"DE"}'],
        ['{"ip":"81.217.9.9"}', '{"ip":"81.217.9.9"}'],
        ['{"ip":"82.0.0.1"}', '{"ip":"82.0.0.1"}'],
        ['{"ip":"2001:db8::1"}', ipVersion === 6 ? '{"ip":"2001:db8::1","v0":"XX"}' : '{"ip":"2001:db8::1"}'],
        // The first 32 bits are those of Vienna.
        ['{"ip":"51d9::1"}', '{"ip":"51d9::1"}'],
        ['{"ip":"nowhere"}', '{"ip":"nowhere"}'],
      ])
    }
  }
})

test('a network that includes all of IPv4 holds for IPv4', async (t) => {
  const file = await fileOf(t, writeMmdb([['::/8', { a: 1 }]]))
  await assertStage(lookup, { ...OPTIONS, file, set: setOf('a') }, [['{"ip":"1.2.3.4"}', '{"ip":"1.2.3.4","v0":1}']])
})

test('values of all types become JSON with all their digits', async (t) => {
  const value = {
    none: '',
    big: typed.uint128(2n ** 127n + 1n),
    u64: typed.uint64(2n ** 63n + 1n),
    u16: typed.uint16(65_535),
    zero: typed.uint16(0),
    negative: typed.int32(-7),
    double: 1e-7,
    float: typed.float(1.1),
    infinite: Infinity,
    yes: true,
    no: false,
    bytes: typed.bytes(Buffer.from([0, 255])),
    long: 'é'.repeat(40_000),
    list: ['text', ['text'], { inner: 'text' }],
  }
  const columns = Object.keys(value)
  const file = await fileOf(t, writeMmdb([['1.0.0.0/8', value]]))
  const { lines } = await runStage(
    lookup,
    { ...OPTIONS, file, set: setOf(...columns, 'list[2].inner', 'list[9]', 'u16.x') },
    ['{"ip":"1.1.1.1"}'],
  )
  const long = JSON.stringify(value.long)
  assert.equal(
    lines[0],
    `{"ip":"1.1.1.1","v0":"","v1":170141183460469231731687303715884105729,"v2":9223372036854775809,"v3":65535,"v4":0,"v5":-7,"v6":1e-7,"v7":1.1,"v8":null,"v9":true,"v10":false,"v11":"AP8=","v12":${long},"v13":["text",["text"],{"inner":"text"}],"v14":"text"}`,
  )
})

test('agrees with mmdb-lib on random databases', () => {
  const value = fc.record({ name: fc.string(), number: fc.nat(), list: fc.array(fc.string(), { maxLength: 3 }) })
  const network = fc
    .tuple(fc.nat(0xffffffff), fc.integer({ min: 1, max: 32 }), value)
    .map(([word, bits, one]): [string, MmdbValue] => [
      `${textOf((word & (0xffffffff << (32 - bits))) >>> 0)}/${bits}`,
      one,
    ])
  return fc.assert(
    fc.asyncProperty(
      fc.array(network, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(24, 28, 32),
      fc.constantFrom(4, 6),
      fc.array(fc.nat(0xffffffff), { maxLength: 20 }),
      async (networks, recordSize, ipVersion, probes) => {
        const ordered = networks.toSorted(([a], [b]) => Number(a.split('/')[1]) - Number(b.split('/')[1]))
        const bytes = writeMmdb(ordered, { recordSize, ipVersion })
        const folder = await createFolder()
        try {
          const file = join(folder.path, 't.mmdb')
          await writeFile(file, bytes)
          const reader = new Reader<CityResponse>(bytes)
          const ips = [...probes.map(textOf), ...networks.map(([cidr]) => cidr.split('/')[0] ?? '')]
          const set = [
            { path: 'name', from: 'name' },
            { path: 'number', from: 'number' },
            { path: 'list', from: 'list' },
          ]
          const { lines } = await runStage(
            lookup,
            { ...OPTIONS, file, set },
            ips.map((ip) => ({ ip })),
          )
          for (const [at, ip] of ips.entries()) {
            assert.deepEqual(JSON.parse(lines[at]), { ip, ...(reader.get(ip) ?? undefined) })
          }
        } finally {
          await folder.remove()
        }
      },
    ),
    { numRuns: scaled(20) },
  )
})

test('check says what an unusable file has, and names paths that no record has', async (t) => {
  const good = writeMmdb([['1.0.0.0/8', CITY]])
  const messageOf = async (bytes: Buffer, config: object = {}, name?: string) => {
    const file = await fileOf(t, bytes, name)
    const findings = await checkStage(lookup, { ...OPTIONS, file, set: setOf('country.iso_code'), ...config })
    return findings.filter(({ severity }) => severity !== 'note').map(({ message, hint }) => `${message} (${hint})`)
  }
  const notOne =
    'is not a MaxMind database (it has no metadata at its end: it may be another format, or a download that was cut off)'
  assert.deepEqual(await messageOf(good), [])
  assert.deepEqual(await messageOf(good, {}, 'without-ending'), [])
  assert.deepEqual(await messageOf(good.subarray(0, good.length - 300)), [`the table t.mmdb ${notOne}`])
  assert.deepEqual(await messageOf(Buffer.from('<html>')), [`the table t.mmdb ${notOne}`])
  assert.deepEqual(await messageOf(Buffer.alloc(0)), [`the table t.mmdb ${notOne}`])
  assert.deepEqual(await messageOf(Buffer.from([0x1f, 0x8b, 8])), [
    'the table t.mmdb is compressed (unpack the archive (`tar -xzf`), or let geoipupdate fetch the file)',
  ])
  assert.deepEqual(await messageOf(good, { by: 'id' }, 't.csv'), [
    'the table t.csv is a MaxMind database (write format: mmdb)',
  ])
  assert.deepEqual(await messageOf(good, { match: 'exact' }), [
    'the table t.mmdb is a MaxMind database, which is searched by IP address (leave match out)',
  ])
  assert.deepEqual(await messageOf(good, { by: 'ip' }), [
    'by has no effect: a MaxMind database is searched by IP address (leave it out)',
  ])
  assert.deepEqual(await messageOf(good, { set: setOf('subdivisions[*].iso_code') }), [
    'the table t.mmdb is a MaxMind database, and "subdivisions[*].iso_code" is not a path into its records (write keys and numbers of elements, such as country.names.en and subdivisions[0].iso_code)',
  ])
  assert.deepEqual(await messageOf(good, { set: setOf('country.isocode') }), [
    'nothing in the table has country.isocode (did you mean "country.iso_code"? its records have city, city.names, country, country.iso_code, location, location.latitude, location.longitude, location.accuracy_radius, subdivisions, subdivisions[0], subdivisions[0].iso_code, subdivisions[1])',
  ])
})

const damaged: readonly (readonly [string, Buffer])[] = [
  ['a pointer to itself', writeMmdb([['1.0.0.0/8', typed.pointer(0)]])],
  ['a map that contains itself', writeMmdb([['1.0.0.0/8', typed.raw(0xe1, 0x41, 0x61, 0x20, 0x00)]])],
  // 2^30 values: each list has the next one twice.
  [
    'lists of lists that grow without end',
    writeMmdb([
      [
        '1.0.0.0/8',
        typed.raw(...Array.from({ length: 31 }, (_, at) => [2, 4, ...pointer(at), ...pointer(at)]).flat(), 0xa0),
      ],
    ]),
  ],
  ['a list with more elements than the file has bytes', writeMmdb([['1.0.0.0/8', typed.raw(0x1f, 4, 255, 255, 255)]])],
  ['a text that ends after the file', writeMmdb([['1.0.0.0/8', typed.raw(0x5f, 255, 255, 255)]])],
  ['a value of no type', writeMmdb([['1.0.0.0/8', typed.raw(0x00, 0x40)]])],
  ['a key that is a number', writeMmdb([['1.0.0.0/8', typed.raw(0xe1, 0xa1, 1, 0xa1, 1)]])],
  ['a number of nine bytes', writeMmdb([['1.0.0.0/8', typed.raw(9, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1)]])],
  ['more nodes than the file', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { node_count: 1_000_000 } })],
  ['no nodes', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { node_count: 0 } })],
  ['fewer nodes than the tree has', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { node_count: 3 } })],
  ['an odd record size', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { record_size: 20 } })],
  ['another version', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { binary_format_major_version: 3 } })],
  ['an IP version of 5', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { ip_version: 5 } })],
  ['metadata with texts for numbers', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { node_count: 'many' } })],
  ['metadata that contain themselves', writeMmdb([['1.0.0.0/8', 'x']], { metadata: { languages: typed.pointer(0) } })],
]

/** To the list at this place of the nested ones, which have 6 bytes. */
function pointer(at: number): number[] {
  const offset = (at + 1) * 6
  return [0x20 | (offset >> 8), offset & 255]
}

for (const [what, bytes] of damaged) {
  test(`a database with ${what} is refused`, async (t) => {
    const file = await fileOf(t, bytes)
    const config = { ...OPTIONS, file, set: setOf('a') }
    await assert.rejects(runStage(lookup, config, ['{"ip":"1.1.1.1"}']), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.match(`${error.code} ${error.message}`, /^TABLE_INVALID the table t\.mmdb is damaged: it has /)
      return true
    })
  })
}

test('damage never ends in anything but a refusal or a value', async (t) => {
  const good = writeMmdb([
    ['1.0.0.0/8', CITY],
    ['2.0.0.0/8', { city: { names: { en: 'Graz' } }, list: [1, [2, { x: true }]] }],
  ])
  const folder = await temporaryFolder(t)
  let number = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        const bytes = Buffer.from(good)
        for (const [at, byte] of changes) bytes[at] = byte
        const file = join(folder, `${number++}.mmdb`)
        await writeFile(file, bytes)
        try {
          const set = setOf('city.names.en', 'list', 'location')
          await runStage(lookup, { ...OPTIONS, file, set }, ['{"ip":"1.1.1.1"}', '{"ip":"2.1.1.1"}', '{"ip":"2001::"}'])
        } catch (error) {
          assert.ok(error instanceof SluiceError && error.code === 'TABLE_INVALID', String(error))
        }
      },
    ),
    { numRuns: scaled(300) },
  )
})

test('the sample databases are what their writer makes', async () => {
  const vienna = { ...CITY, city: { names: { en: 'Vienna', de: 'Wien' } } }
  const samples = {
    'geo.mmdb': writeMmdb(
      [
        ['81.217.0.0/16', vienna],
        ['2001:db8::/32', { country: { iso_code: 'XX' } }],
      ],
      { type: 'Sample-City' },
    ),
    'asn.mmdb': writeMmdb(
      [['81.217.0.0/16', { autonomous_system_number: 64_496, autonomous_system_organization: 'Example Networks' }]],
      { type: 'Sample-ASN', recordSize: 24 },
    ),
  }
  for (const [name, bytes] of Object.entries(samples)) {
    const path = join(REPOSITORY, 'samples/tables', name)
    if (process.env['SLUICE_UPDATE_SAMPLES']) await writeFile(path, bytes)
    assert.deepEqual(await readFile(path), bytes)
  }
})

function textOf(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')
}
