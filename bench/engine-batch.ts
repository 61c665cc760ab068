/**
 * What the work on batches costs, in nanoseconds a record of about 1.1 KB. `node build/bench/engine-batch.js`
 *
 * Best of several passes, one thread; `open` includes the scan.
 */
import type { Batch } from '../src/record/batch.ts'
import { compileCondition } from '../src/record/condition.ts'
import { openBatches } from '../src/record/door.ts'
import { Paths } from '../src/record/path.ts'
import { rebuild } from '../src/record/rebuild.ts'
import { defaultLimits } from '../src/record/scan.ts'
import { changedLine, recordLine, recordView } from '../src/record/view.ts'
import { createEventSet } from '../test/servers/events.ts'

const BATCHES = 16
const LINES = 480
const PASSES = 15

const events = createEventSet({ seed: 1, count: 1e6, start: 1.7e12, end: 1.71e12, shape: 'one' })
const pieces = Array.from({ length: BATCHES }, (_, batch) =>
  Buffer.from(Array.from({ length: LINES }, (_line, line) => `${events.text(batch * LINES + line)}\n`).join('')),
)
const paths = new Paths()
const [id, service, ip, user, host] = ['id', 'service', 'client_ip', 'initiated_by.username', 'system.hostname'].map(
  (text) => paths.add(text),
)
const condition = compileCondition({ service: ['sso', 'radius', 'directory'], success: { not: false } }, paths)
paths.add('**./pass(word|phrase|code)|secret|token|private_?key/i')
const mask = Buffer.from('"[redacted]"')

measure('open', () => undefined)
measure('text of one path', (batch) => {
  for (let record = 0; record < batch.count; record++) batch.text(batch.hit(record, id))
})
measure('condition on two paths', (batch) => {
  for (let record = 0; record < batch.count; record++) condition(batch, record)
})
measure('three edits', editThree)
measure('assemble, unedited', undefined, (batch) => batch.assemble())
measure('assemble, three edits a record', editThree, (batch) => batch.assemble())
measure('JSON.parse', (batch) => {
  for (let record = 0; record < batch.count; record++) batch.value(record)
})
measure('rebuild, lines as they are', (batch) => {
  rebuild(
    batch,
    Array.from({ length: batch.count }, (_, from) => ({ bytes: batch.line(from), from })),
  )
})
measure('record: get, set a tag', (batch) => {
  for (let record = 0; record < batch.count; record++) {
    const view = recordView(batch, record)
    if (view.get('service') !== 'none') view.set('tag', true)
    recordLine(view)
  }
})
measure('record: value, return a copy', (batch) => {
  for (let record = 0; record < batch.count; record++) {
    const view = recordView(batch, record)
    changedLine(view, { ...view.value, tag: true })
  }
})

function editThree(batch: Batch): void {
  const token = batch.token(mask)
  for (let record = 0; record < batch.count; record++) {
    for (const path of [ip, user, host]) {
      const hit = batch.hit(record, path)
      if (hit >= 0) batch.edit(hit, token)
    }
    batch.hit(record, service)
  }
}

function measure(what: string, prepare?: (batch: Batch) => void, run?: (batch: Batch) => void): void {
  let best = Infinity
  for (let pass = 0; pass < PASSES; pass++) {
    let spent = 0
    for (const bytes of pieces) {
      const opening = performance.now()
      const batches = openBatches({ bytes }, { partition: '', number: 0, paths, limits: defaultLimits })
      const opened = performance.now()
      batches.forEach((batch) => prepare?.(batch))
      const prepared = performance.now()
      batches.forEach((batch) => run?.(batch))
      if (what === 'open') spent += opened - opening
      else spent += run === undefined ? prepared - opened : performance.now() - prepared
    }
    best = Math.min(best, spent)
  }
  console.log(`${what.padEnd(34)} ${((best * 1e6) / (BATCHES * LINES)).toFixed(0).padStart(6)}`)
}
