/*
 * What a run publishes adds up to what it reports and commits, with faults on both sides: the messages
 * are the only source of the metrics, the log and the progress of a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { eventNames, openPipeline, reportOf, subscribe } from '../../src/index.ts'
import type { EventName, Events, Report } from '../../src/index.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { openWorkspace } from '../support/command.ts'
import { HOUR, MINUTE } from '../../src/time.ts'

/** Drops and rejects records by their id, and makes two of some. */
const SORT = `export default (record) => {
  const digit = String(record.get('id')).at(-1)
  if ('01'.includes(digit)) return record.reject(digit === '0' ? 'ENDS_IN_0' : 'ENDS_IN_1')
  return digit === '2' ? null : record.set('sorted', true)
}
`
const DOUBLE = `export default (record) => (String(record.get('id')).at(-1) === '3' ? [record, { ...record.value, copy: true }] : record)
`

/** Collects the messages of a pipeline, by channel. */
function collect(t: TestContext, pipeline: string) {
  const messages: Message[] = []
  for (const name of eventNames) {
    t.after(subscribe(name, (message) => void messages.push({ name, message }), { pipeline }))
  }
  return {
    messages,
    of: <Name extends EventName>(name: Name, run?: string): Events[Name][] =>
      messages.flatMap((one) => (isOf(one, name) && (run ?? one.message.run) === one.message.run ? [one.message] : [])),
  }
}

interface Message<Name extends EventName = EventName> {
  readonly name: Name
  readonly message: Events[Name]
}

function isOf<Name extends EventName>(one: Message, name: Name): one is Message<Name> {
  return one.name === name
}

function sumOf<Item>(items: readonly Item[], count: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + count(item), 0)
}

/** The sums of the counts in messages, without those that are 0. */
function totalsOf(all: readonly { readonly [name: string]: number }[]): { [name: string]: number } {
  const totals: { [name: string]: number } = {}
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count
  return totals
}

test('messages add up to the report and the ledger: faults, rejects, late records, two sinks, a restart', async (t) => {
  const now = Date.now() - 20 * HOUR
  const late = { fraction: 0.4, delay: [30 * MINUTE, 50 * MINUTE] as const }
  const api = await startJumpCloudServer({
    now,
    frozen: true,
    start: now - 3 * HOUR,
    end: now,
    repeats: 0.1,
    late: { ...late, delay: [...late.delay] },
  })
  t.after(() => api.close())
  const s3 = await startBucketServer(t, 'audit')
  const workspace = await openWorkspace(t)
  await workspace.write('transforms/sort.js', SORT)
  await workspace.write('transforms/double.js', DOUBLE)
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url}
  limit: 100
  rate: { perSecond: 1000 }
  retry: { maxDelay: 10ms }
  window: { since: 1d, step: 10d, lag: 0s }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
  - { type: ../transforms/sort.js }
  - { type: ../transforms/double.js }
sinks:
  siem: { type: s3, bucket: audit, endpoint: '${s3.endpoint}', region: ${s3.region}, forcePathStyle: true, key: siem }
  archive: { type: file, path: ${workspace.path('archive')}, key: all }
`,
  )
  const { messages, of } = collect(t, 'p')
  const opened = await openPipeline('p', { folder: workspace.folder, env: { KEY: api.apiKey } })
  const reports: Report[] = []
  const run = async (): Promise<string> => {
    const before = of('sluice:run:start').length
    reports.push(await opened.run().catch((error: unknown) => reportOf(error) ?? Promise.reject(error)))
    return of('sluice:run:start')[before].run
  }

  // Both sides have faults: the API fails twice, the store goes away when an epoch is committed.
  api.faults.add({ fault: { kind: 'status', status: 503 }, after: 1 })
  api.faults.add({ fault: { kind: 'status', status: 429, retryAfter: 0 }, after: 3 })
  const away = subscribe('sluice:epoch:commit', () => s3.outage(true), { pipeline: 'p' })
  const back = subscribe('sluice:object:retry', () => s3.outage(false), { pipeline: 'p' })
  const runs = [await run()]
  away()
  back()
  // Hidden events appear, and the store refuses what is committed.
  api.clock.advance(HOUR)
  s3.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject' })
  runs.push(await run())
  runs.push(await run())
  assert.deepEqual(
    reports.map(({ outcome, error }) => error?.code ?? outcome),
    ['done', 'SINK_REFUSED', 'done'],
  )

  assert.deepEqual(
    of('sluice:run:start').map(({ run: id }) => id),
    runs,
  )
  const [started] = of('sluice:run:start')
  assert.deepEqual(started.source, { stage: 'jumpcloud', type: 'jumpcloud' })
  assert.deepEqual(
    started.transforms.map(({ stage }) => stage),
    ['dedup', 'sort', 'double'],
  )
  assert.deepEqual(
    started.sinks.map(({ sink, type }) => [sink, type]),
    [
      ['siem', 's3'],
      ['archive', 'file'],
    ],
  )

  for (const [at, id] of runs.entries()) {
    const report = reports[at]
    const chunks = of('sluice:source:chunk', id)
    assert.equal(
      sumOf(chunks, ({ records }) => records),
      report.read,
      'read',
    )
    assert.equal(
      sumOf(chunks, ({ bytes }) => bytes),
      report.bytesIn,
      'bytes in',
    )
    const work = of('sluice:run:work', id)
    const sources = work.flatMap((one) => one.sources)
    assert.equal(
      sumOf(sources, ({ records }) => records),
      report.read,
      'read, in sums',
    )
    assert.equal(
      sumOf(sources, ({ bytes }) => bytes),
      report.bytesIn,
      'bytes in, in sums',
    )
    assert.equal(
      sumOf(work, ({ delivery }) => delivery.written),
      report.written,
      'written, in sums',
    )

    const commits = of('sluice:epoch:commit', id)
    assert.equal(commits.length, report.epochs)
    for (const count of ['read', 'added', 'written', 'duplicate', 'duplicateDiffers', 'rejected'] as const)
      assert.equal(
        sumOf(commits, (commit) => commit[count]),
        report[count],
        count,
      )
    for (const counts of ['dropped', 'rejects', 'late'] as const)
      assert.deepEqual(totalsOf(commits.map((commit) => commit[counts])), { ...report[counts] }, counts)
    for (const [name, { records, objects, bytes }] of Object.entries(report.sinks)) {
      const own = commits.flatMap(({ sinks }) => (name in sinks ? [{ ...sinks[name] }] : []))
      assert.deepEqual(totalsOf([{ records: 0, objects: 0, bytes: 0 }, ...own]), { records, objects, bytes }, name)
    }
    // Everything that was delivered was committed.
    const delivered = of('sluice:delivery:batch', id)
    for (const count of ['written', 'duplicate', 'rejected'] as const)
      assert.equal(
        sumOf(delivered, (batch) => batch[count]),
        report[count],
        `delivered: ${count}`,
      )
    const rejects = of('sluice:delivery:reject', id)
    assert.deepEqual(totalsOf(rejects.map(({ code, records }) => ({ [code]: records }))), { ...report.rejects })
    assert.ok(rejects.every(({ stage }) => stage === 'sort'))
    const lateRecords = of('sluice:delivery:late', id)
    assert.deepEqual(totalsOf(lateRecords.map(({ delay, records }) => ({ [delay]: records }))), { ...report.late })

    for (const stage of ['dedup', 'sort', 'double']) {
      const batches = of('sluice:stage:batch', id).filter((batch) => batch.stage === stage)
      for (const { recordsIn, added, recordsOut, dropped, rejected, milliseconds, bytesIn } of batches) {
        assert.equal(recordsIn + added, recordsOut + dropped + rejected)
        assert.ok(milliseconds >= 0 && bytesIn > 0)
      }
      if (stage === 'dedup')
        assert.equal(
          sumOf(batches, ({ recordsIn }) => recordsIn),
          report.read,
        )
      if (stage === 'sort')
        assert.equal(
          sumOf(batches, ({ dropped }) => dropped),
          report.dropped['sort'] ?? 0,
        )
      if (stage === 'double')
        assert.equal(
          sumOf(batches, ({ added }) => added),
          report.added,
        )
    }
    const [end] = of('sluice:run:end', id)
    assert.deepEqual(end.report, JSON.parse(JSON.stringify(report)))
    assert.equal(end.code, report.error?.code)
  }
  assert.ok(reports[0].added > 0 && reports[0].rejected > 0 && reports[0].duplicate > 0)
  assert.ok((reports[1].late['2h'] ?? 0) > 0)

  // Each object is published once, by the run that committed it or by the next one.
  const committed = reports.flatMap(({ objects }) =>
    objects.map(({ key, bytes, records }) => `${key} ${bytes} ${records}`),
  )
  const published = of('sluice:object:publish')
  assert.deepEqual(
    published.map(({ key, bytes, records }) => `${key} ${bytes} ${records}`).toSorted(),
    committed.toSorted(),
  )
  const [retry] = of('sluice:object:retry')
  assert.deepEqual([retry.sink, retry.code, retry.attempt], ['siem', 'SINK_UNAVAILABLE', 1])
  assert.ok((published.find(({ key }) => key === retry.key)?.attempts ?? 0) > 1)
  const recovered = published.filter(({ isRecovered }) => isRecovered)
  assert.deepEqual(
    recovered.map(({ sink, run: id }) => [sink, id]),
    [['siem', runs[2]]],
  )

  // The API saw the requests that were published. No message has a key, a path or a query.
  const requests = of('sluice:source:request')
  assert.equal(requests.length, api.requests.length)
  assert.deepEqual(totalsOf(requests.map(({ statusClass }) => ({ [statusClass]: 1 })))['4xx'], 1)
  assert.ok(requests.every(({ origin, bytes }) => origin === new URL(api.url).origin && bytes > 0))
  assert.deepEqual(
    of('sluice:source:retry').map(({ status, code, reason, partition }) => [status, code, reason, partition]),
    [
      [503, 'SOURCE_UNAVAILABLE', 'backoff', 'jumpcloud:'],
      [429, 'SOURCE_UNAVAILABLE', 'backoff', 'jumpcloud:'],
    ],
  )
  const windows = of('sluice:source:window')
  const complete = windows.filter(({ state }) => state === 'complete')
  assert.equal(windows.filter(({ state }) => state === 'open').length, complete.length)
  assert.equal(
    sumOf(complete, ({ records }) => records),
    sumOf(reports, ({ read }) => read),
  )
  assert.doesNotMatch(JSON.stringify(messages), new RegExp(`${api.apiKey}|${s3.secretAccessKey}`))

  // The ledger of the state, over all runs.
  const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json'])
  const { totals }: { totals: Report } = JSON.parse(stdout)
  const commits = of('sluice:epoch:commit')
  for (const count of ['read', 'added', 'written', 'duplicate', 'rejected'] as const)
    assert.equal(
      sumOf(commits, (commit) => commit[count]),
      totals[count],
      `state: ${count}`,
    )
  // Each run begins with the sums of those before, and what they have left.
  const opened3 = of('sluice:state:open')
  assert.equal(opened3.length, 3)
  for (const [at, { totals: before, committedAt }] of opened3.entries()) {
    const earlier = commits.filter(({ run: id }) => runs.slice(0, at).includes(id))
    for (const count of ['read', 'added', 'written', 'duplicate', 'duplicateDiffers', 'rejected'] as const)
      assert.equal(
        before[count],
        sumOf(earlier, (commit) => commit[count]),
        `before run ${at}: ${count}`,
      )
    for (const counts of ['dropped', 'rejects', 'late'] as const)
      assert.deepEqual(totalsOf(earlier.map((commit) => commit[counts])), { ...before[counts] })
    assert.equal(committedAt, earlier.at(-1)?.committedAt)
  }
  const waiting = opened3[2].outboxes.find(({ sink }) => sink === 'siem')
  assert.deepEqual(
    [waiting?.objects, waiting?.bytes],
    [1, published.find(({ isRecovered }) => isRecovered)?.bytes],
    'the refused object waits',
  )
  assert.deepEqual(
    [...new Set(of('sluice:object:publish', runs[2]).map(({ outbox }) => `${outbox.objects} ${outbox.bytes}`))].at(-1),
    '0 0',
  )
  assert.deepEqual(
    opened3[2].partitions.map(({ partition }) => partition),
    ['jumpcloud:'],
  )
  const end = commits.at(-1)
  assert.ok(
    (end?.dedup?.keys ?? 0) > 0 &&
      (end?.dedup?.bytes ?? 0) > 0 &&
      (end?.dedup?.maxBytes ?? 0) > (end?.dedup?.bytes ?? 0),
  )
  assert.equal(end?.deadLetters.records, totals.rejected)
  assert.deepEqual(end?.outboxes.map(({ sink }) => sink).toSorted(), ['archive', 'siem'])

  // The store saw the requests that were published.
  const toStore = of('sluice:store:request')
  const answered = toStore.filter(({ status }) => status !== undefined)
  assert.deepEqual(
    totalsOf(answered.map(({ operation, status }) => ({ [`${operation} ${status}`]: 1 }))),
    totalsOf(s3.requests.map(({ operation, status }) => ({ [`${operation} ${status}`]: 1 }))),
  )
  const siem = started.sinks.find(({ sink }) => sink === 'siem')
  assert.ok(toStore.every(({ stage, sink }) => stage === siem?.stage && sink === 'siem'))
  assert.ok(toStore.every(({ origin }) => origin === s3.endpoint))
  assert.ok(toStore.some(({ statusClass, code }) => statusClass === 'none' && code !== undefined))
  assert.ok(toStore.some(({ code, operation }) => code === 'AccessDenied' && operation === 'PutObject'))
  assert.ok(toStore.some(({ isRetry }) => isRetry))

  const last = commits.at(-1)?.partitions.at(-1)
  assert.equal(last?.partition, 'jumpcloud:')
  assert.ok((last?.readUpTo ?? 0) > now && (last?.lowWatermark ?? Infinity) < Date.now())
})
