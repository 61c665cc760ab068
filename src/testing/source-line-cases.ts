import assert from 'node:assert/strict'
import { SluiceError } from '../errors.ts'
import type { JsonObject } from '../record/json/json.ts'
import { canonical, nameOf } from './contract-case.ts'
import { checkYield, positionsAfter } from './source-bench.ts'
import type { Bench, SourceInput } from './source-bench.ts'

/** The longest records exceed the limit. The others must not be lost with them. */
export async function limitsLines<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const sizes = bench.input.records.map((record) => Buffer.byteLength(JSON.stringify(record)))
  const longest = Math.max(...sizes)
  const maxLine = Math.max(...sizes.filter((size) => size < longest))
  assert.ok(maxLine > 0, 'the records of the fixture have different lengths')
  const { chunks, records } = await bench.readWell({ maxLine })
  const found = new Set(records.flat())
  const skipped = chunks.flatMap((chunk) => chunk.skipped ?? [])
  checkYield(
    [...found],
    bench.expected.filter((record) => found.has(record)),
    false,
    `with a limit of ${maxLine} bytes`,
  )
  const lost = sizes.length - found.size - new Set(skipped.map(({ digest }) => digest)).size
  assert.equal(lost, 0, `with a limit of ${maxLine} bytes, ${lost} records are neither yielded nor skipped`)
  for (const { line, length, digest } of skipped) {
    assert.ok(length > maxLine, `a line of ${length} bytes was skipped, ${maxLine} are allowed`)
    assert.ok(Number.isInteger(line) && line >= 1, 'skipped lines are counted from 1')
    assert.match(digest, /^[0-9a-f]{64}$/, 'the digest of a skipped line is SHA-256 in hex')
  }
}

/** A record without its line feed may come in this run or in the next one, but once. */
export async function endsWithoutLineFeed<Input extends SourceInput>(
  bench: Bench<Input>,
  unended: (input: Input) => Promise<{ record: JsonObject; more: () => Promise<JsonObject> }>,
): Promise<void> {
  const before = await bench.readWell()
  const { record, more } = await unended(bench.input)
  const positions = positionsAfter(before.chunks)
  const first = await bench.readWell({ positions })
  const next = await more()
  const second = await bench.readWell({ positions: new Map([...positions, ...positionsAfter(first.chunks)]) })
  const found = [...first.records.flat(), ...second.records.flat()]
  const when = 'when the line feed of the last record came later'
  checkYield(found, [record, next].map(canonical), bench.declaration.repeats, when)
}

/** The next run finds the rest of a record that was half written. */
export async function leavesUnfinished<Input extends SourceInput>(
  bench: Bench<Input>,
  unfinished: (input: Input) => Promise<() => Promise<JsonObject>>,
): Promise<void> {
  const before = await bench.readWell()
  const finish = await unfinished(bench.input)
  const positions = positionsAfter(before.chunks)
  const first = await bench.readWell({ positions })
  assert.deepEqual(first.records.flat(), [], 'a record is yielded that is half written')
  const whole = canonical(await finish())
  const second = await bench.readWell({ positions: new Map([...positions, ...positionsAfter(first.chunks)]) })
  checkYield(second.records.flat(), [whole], bench.declaration.repeats, 'when its second half was written')
}

/** An error in the middle takes no record before it with it, and no later run skips it. */
export async function failsInTheMiddle<Input extends SourceInput>(
  bench: Bench<Input>,
  damage: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const left = (await damage(bench.input)).map(canonical)
  const first = await bench.read()
  checkYield(first.records.flat(), left, bench.declaration.repeats, 'before the damage')
  const second = await bench.read({ positions: positionsAfter(first.chunks) })
  checkYield(second.records.flat(), [], bench.declaration.repeats, 'by the run after the damage was found')
  for (const { error } of [first, second]) {
    assert.notEqual(error, undefined, 'reading a damaged input ended without an error')
    assert.ok(error instanceof SluiceError, `a source throws a SluiceError with a code, not ${nameOf(error)}`)
  }
}
