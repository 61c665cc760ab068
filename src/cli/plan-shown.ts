import type { SluiceError } from '../errors.ts'
import type { Line } from '../observe/messages/line.ts'
import { factsBeside, isMessageCode } from '../observe/messages/table.ts'
import { print, safeJson } from '../observe/output.ts'
import { formatBytes, formatCount, formatSpan, listDamaged, plural } from '../observe/report.ts'
import type { DamagedInput } from '../observe/report.ts'
import { contentName } from '../shards/estimate.ts'
import type { Estimate } from '../shards/estimate.ts'
import type { PlannedShard } from '../shards/plan.ts'
import { PlanOverview } from '../shards/plan-overview.ts'

interface PlanEnd {
  readonly workers: number
  /** Where the records are in the inputs. */
  readonly records: string
  /** Bytes of all inputs, whether they were read before or not. */
  readonly total?: number | undefined
  readonly estimate: Estimate | undefined
}

type ShardStatus = 'open' | 'done' | 'failed'

/** Prints a plan while it is made. */
export class PlanShown {
  /** The shards that are not done. */
  readonly left = new PlanOverview()
  readonly failures: SluiceError[] = []
  readonly #pipeline: string
  readonly #json: boolean
  readonly #done = new PlanOverview()
  readonly #damaged: DamagedInput[] = []
  #number = 0
  #failedShards = 0

  /** @param json print each shard, and the whole, as a line of JSON */
  constructor(pipeline: string, json: boolean) {
    this.#pipeline = pipeline
    this.#json = json
  }

  add(shard: PlannedShard, status: ShardStatus = 'open'): void {
    const part = status === 'done' ? this.#done : this.left
    part.add(shard)
    if (status === 'failed') this.#failedShards++
    const number = this.#number++
    if (!this.#json) return
    const parts = shard.parts.map(({ detail: _detail, ...shown }) => shown)
    print(safeJson({ event: 'shard', shard: number, status, bytes: shard.bytes, parts }))
  }

  note({ code, message, facts }: Line): void {
    if (this.#json) return print(safeJson({ event: 'note', code, message, ...facts }))
    const beside = isMessageCode(code) ? factsBeside(code, facts) : Object.entries(facts)
    const files = beside.filter(([name]) => name === 'files')
    print([message, ...(files.length > 0 ? files : beside).map(([, value]) => value)].join(': '))
  }

  fail(input: string, error: SluiceError): void {
    const { code, message, hint } = error
    this.failures.push(error)
    this.#damaged.push({ input, code, message, ...(hint !== undefined && { hint }) })
  }

  /** Input that only one worker can read, from its start. */
  undivided({ message }: SluiceError): void {
    if (this.#json) print(safeJson({ event: 'plan', pipeline: this.#pipeline, undivided: message }))
    else
      print(`${this.#pipeline}: would read an unknown amount with one worker (${message}); nothing was read or written`)
  }

  end(end: PlanEnd): void {
    if (this.#json) print(safeJson(this.#summary(end)))
    else print(...this.#lines(end))
  }

  #summary({ workers, total, estimate }: PlanEnd): object {
    const { inputs, shards, bytes, contents, largest } = this.left
    const isStored = this.#done.shards > 0 || this.#failedShards > 0
    return {
      event: 'plan',
      pipeline: this.#pipeline,
      inputs,
      bytes,
      shards,
      contents: contents.map(({ sample: _sample, ...content }) => content),
      ...(largest && { largest }),
      ...(isStored && { done: { shards: this.#done.shards, bytes: this.#done.bytes }, failed: this.#failedShards }),
      ...(total !== undefined && { readBefore: Math.max(0, total - bytes) }),
      ...(estimate && { estimate: { workers, ...estimate } }),
      damaged: this.#damaged,
    }
  }

  #lines({ workers, records, total, estimate }: PlanEnd): string[] {
    const { inputs, shards, bytes, contents } = this.left
    const from = records === '$' ? '' : `, the records at ${records}`
    const isDivided = workers > 1 || this.#done.shards + this.#failedShards > 0
    const divided = isDivided && shards > 1 ? ` in ${plural(shards, 'shard')}` : ''
    const before = total === undefined ? 0 : total - bytes
    return [
      `${this.#pipeline}: would read ${formatBytes(bytes)} from ${plural(inputs, 'input')}${divided}${from}; nothing was read or written`,
      ...this.#describeDone(),
      ...(before > 0 ? [line('read before', before, 'by earlier runs')] : []),
      ...(contents.length > 1 || divided !== '' ? contents.map((content) => describeContent(content, isDivided)) : []),
      ...describeLargest(this.left, workers),
      ...(estimate ? [describeTime(estimate, workers)] : []),
      ...listDamaged(this.#damaged),
    ]
  }

  /** Of a backfill that is unfinished. */
  #describeDone(): string[] {
    const { shards: done, bytes } = this.#done
    if (done === 0 && this.#failedShards === 0) return []
    const planned = `${formatCount(done)} of ${plural(done + this.left.shards, 'shard')}`
    const failed = this.#failedShards === 0 ? '' : `, ${formatCount(this.#failedShards)} failed`
    return [line('done', bytes, `${planned}${failed}; the same command does the rest`)]
  }
}

function describeTime({ seconds, rates }: Estimate, workers: number): string {
  const measured = rates.map(({ content, bytesPerSecond }) => `${content} ${formatBytes(bytesPerSecond)}/s`)
  const each = workers > 1 ? ', if each is as fast as one alone' : ''
  const time = `about ${formatSpan(seconds * 1000)} with ${plural(workers, 'worker')}${each}`
  return `  time        ${time} (${measured.join(', ')}, measured here for a moment, without uploads)`
}

/** A shard that alone takes longer than the others together. */
function describeLargest({ largest, bytes, shards }: PlanOverview, workers: number): string[] {
  if (largest === undefined || shards < 2 || workers < 2 || largest.bytes * workers <= bytes) return []
  return [line('largest', largest.bytes, `${largest.input}: one worker reads it while the others are done`)]
}

function describeContent(content: PlanOverview['contents'][number], isDivided: boolean): string {
  const { inputs, parts, bytes } = content
  const divided = isDivided && parts > inputs ? ` in ${plural(parts, 'part')}` : ''
  return line(contentName(content), bytes, `${plural(inputs, 'input')}${divided}`)
}

function line(name: string, bytes: number, remark: string): string {
  return `  ${name.padEnd(12)}${formatBytes(bytes).padStart(9)}  ${remark}`
}
