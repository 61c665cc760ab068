import { describe, test } from 'node:test'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { JsonObject } from '../../../src/record/json/json.ts'
import fileSource from '../../../src/sources/file.ts'
import http from '../../../src/sources/http.ts'
import jumpcloud from '../../../src/sources/jumpcloud.ts'
import s3 from '../../../src/sources/s3.ts'
import { sourceContract } from '../../../src/testing/index.ts'
import type { SourceFixture, SourceInput } from '../../../src/testing/index.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../../servers/jumpcloud.ts'
import { HOUR } from '../../../src/time.ts'
import { createFolder } from '../../support/temporary-folder.ts'
import { ARRAY, DOCUMENT, DOCUMENTS, fileFixture, GZIP, NDJSON, PARSED, recordsOf } from '../../support/file-fixture.ts'
import { listen } from '../../support/listen.ts'
import { objectsFixture } from '../../support/objects-fixture.ts'

for (const format of [NDJSON, ARRAY, GZIP]) {
  describe(`the file source keeps the contract: ${format.name}`, () => {
    for (const { name, run } of sourceContract(fileSource, fileFixture(format))) test(name, run)
  })
}

for (const format of [DOCUMENT, DOCUMENTS]) {
  for (const [reader, config] of [
    ['split as bytes', {}],
    ['parsed', PARSED],
  ] as const) {
    describe(`the file source keeps the contract: ${format.name}, ${reader}`, () => {
      const fixture = fileFixture({ ...format, config: { ...format.config, ...config } })
      for (const { name, run } of sourceContract(fileSource, fixture)) test(name, run)
    })
  }
}

describe('the file source keeps the contract: a folder of files', () => {
  const folders: SourceFixture<SourceInput & { readonly folder: string }> = {
    async open() {
      const { path: folder, remove } = await createFolder()
      const records: JsonObject[] = []
      for (const [at, format] of [NDJSON, ARRAY, GZIP].entries()) {
        const own = recordsOf(`file-${at}`, 100 * at, 15)
        records.push(...own)
        await writeFile(join(folder, `${at}-${format.name}`), format.write(own))
      }
      return { folder, records, config: { path: folder }, close: remove }
    },
    replace: 'tried with single files',
    truncate: 'tried with single files',
    async append({ folder }) {
      const records = recordsOf('another', 1000, 5)
      await writeFile(join(folder, 'later.ndjson'), NDJSON.write(records))
      return records
    },
    fail: ({ folder }) => rm(folder, { recursive: true }).then(() => undefined),
    enlarge: 'tried with single files',
  }
  for (const { name, run } of sourceContract(fileSource, folders)) test(name, run)
})

for (const format of [NDJSON, ARRAY, GZIP, DOCUMENT]) {
  describe(`the s3 source keeps the contract: objects of ${format.name}`, () => {
    const fixture = objectsFixture(format)
    for (const { name, run } of sourceContract(s3, fixture)) test(name, run)
  })
}

describe('the http source keeps the contract', () => {
  interface Api extends SourceInput {
    readonly records: JsonObject[]
    isBroken: boolean
  }
  const PAGE = 7
  const pages: SourceFixture<Api> = {
    async open() {
      const server = createServer((request, response) => {
        const cursor = Number(new URL(request.url ?? '', 'http://x').searchParams.get('cursor') ?? 0)
        if (input.isBroken) response.statusCode = 403
        const events = input.records.slice(cursor, cursor + PAGE)
        const next = cursor + PAGE < input.records.length ? cursor + PAGE : undefined
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ events, next: next === undefined ? undefined : String(next) }))
      })
      const port = await listen(server)
      const input: Api = {
        records: recordsOf('http', 0, 40, 50),
        isBroken: false,
        config: {
          request: { url: `http://127.0.0.1:${port}/events` },
          records: 'events',
          paginate: { type: 'cursor', from: { body: 'next' }, into: { query: 'cursor' } },
          rate: { perSecond: 10_000, concurrency: 1 },
          retry: { attempts: 2, maxDelay: '1ms' },
          poll: '1ms',
        },
        async close() {
          server.closeAllConnections()
          server.close()
          await once(server, 'close')
        },
      }
      return input
    },
    replace: 'an API has no other input under its name; what changes in it is found by windows, sweeps and dedup',
    truncate: 'an API has no input that is cut',
    append: 'a source without windows reads everything in each run',
    fail: (input) => {
      input.isBroken = true
      return Promise.resolve()
    },
    enlarge: 'the server of this test would hold as much; test/memory measures it from outside',
  }
  for (const { name, run } of sourceContract(http, pages)) test(name, run)
})

describe('the jumpcloud source keeps the contract', () => {
  interface Insights extends SourceInput {
    readonly server: JumpCloudServer
  }
  const insights: SourceFixture<Insights> = {
    unordered: 'within a window the API sorts by time as it likes',
    async open() {
      const end = Date.now() - HOUR
      const server = await startJumpCloudServer({ events: 60, organizations: 2, start: end - 10 * HOUR, end })
      const records = server.organizations.flatMap(({ events }) =>
        Array.from({ length: events.count }, (_, at): JsonObject => JSON.parse(events.text(at))),
      )
      return {
        server,
        records,
        config: {
          baseUrl: server.url,
          apiKey: server.apiKey,
          organizations: server.organizations.map(({ id }) => id),
          limit: 10,
          // Less than the 90 days of the default: reading after a rewind takes one request per step.
          window: { since: '2d', step: '3h', retention: '4d' },
          rate: { perSecond: 10_000, concurrency: 1 },
          retry: { attempts: 2, maxDelay: '1ms' },
          poll: '1ms',
        },
        close: () => server.close(),
      }
    },
    replace: 'an API has no other input under its name; what changes in it is found by windows, sweeps and dedup',
    truncate: 'an API has no input that is cut',
    append: 'events come by their time: test/sources/jumpcloud has those that come late',
    fail: ({ server }) => {
      server.faults.add({ fault: { kind: 'status', status: 403 }, times: 1000 })
      return Promise.resolve()
    },
    enlarge: 'the server of this test would hold as much; test/memory measures it from outside',
  }
  for (const { name, run } of sourceContract(jumpcloud, insights)) test(name, run)
})
