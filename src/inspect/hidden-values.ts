import { isCustom } from '../config/component-name.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { isMap, parseSpelled } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import { openBatches } from '../record/open-batches.ts'
import { Paths } from '../record/paths/path.ts'
import { buildStages, throughAll } from '../runtime/transform-stages.ts'
import type { Stage } from '../runtime/transform-stages.ts'

/** Replaces values that must not be shown. */
const HIDDEN = '"(hidden)"'

/** Shows records on their way to redaction, without the values that it changes. */
export interface HiddenValues {
  /**
   * A record as it may be shown.
   * @param line it is a JSON object
   * @param passed number of transforms that it has passed
   */
  shown(line: Buffer, passed: number): Promise<Spelled>
  close(): Promise<void>
}

type Transforms = Pick<CheckedPipeline, 'name' | 'folder' | 'transforms' | 'limits'>

/** The stages are others than those of the caller: what they count and remember is not disturbed. */
export async function openHiddenValues(pipeline: Transforms): Promise<HiddenValues> {
  const paths = new Paths()
  const last = pipeline.transforms.findLastIndex(({ declaration }) => declaration.type === 'redact')
  const upToLast = { ...pipeline, transforms: pipeline.transforms.slice(0, last + 1) }
  const stages = await buildStages(upToLast, { paths, hashKey: undefined })
  const through = (some: readonly Stage[], bytes: Buffer): Promise<Batch[]> =>
    throughAll(
      some,
      openBatches(
        { bytes, origin: { name: '', line: 1 } },
        { partition: '', number: 0, paths, limits: pipeline.limits },
      ),
    )
  return {
    async shown(line, passed) {
      const record = parse(line)
      if (passed > last) return record
      const redactions = stages.slice(passed, last + 1).filter(({ type }) => type === 'redact')
      const [redacted] = await through(redactions, line)
      const known = hide(record, parse(redacted.line(0)))
      if (!movesValues(pipeline.transforms.slice(passed, last))) return known
      return hideAllBut(await leavesAfter(() => through(stages.slice(passed, last + 1), line)), known)
    },
    async close() {
      for (const stage of stages) await stage.close()
    },
  }
}

/** True if a transform gives values another place: a rule for the new name does not find the value under its old one. */
function movesValues(transforms: Transforms['transforms']): boolean {
  return transforms.some(
    ({ declaration, config }) =>
      isCustom(declaration.type) ||
      declaration.code !== undefined ||
      (declaration.shape?.(config).writes ?? []).some(({ from }) => from.length > 0),
  )
}

/** The spellings of all values in the live records of batches. None if a stage fails: then nothing is known. */
async function leavesAfter(run: () => Promise<readonly Batch[]>): Promise<ReadonlySet<string>> {
  const leaves = new Set<string>()
  const add = (value: Spelled): void => {
    if (typeof value === 'string') leaves.add(value)
    else for (const member of isMap(value) ? value.values() : value) add(member)
  }
  const batches = await run().catch(() => [])
  for (const batch of batches) {
    for (let record = 0; record < batch.count; record++)
      if (batch.states[record] === RecordState.live) add(parse(batch.line(record)))
  }
  return leaves
}

function hideAllBut(shown: ReadonlySet<string>, value: Spelled): Spelled {
  if (typeof value === 'string') return shown.has(value) ? value : HIDDEN
  if (!isMap(value)) return value.map((item) => hideAllBut(shown, item))
  return new Map([...value].map(([key, member]) => [key, hideAllBut(shown, member)]))
}

/** Hides each leaf that redaction changes or removes. */
function hide(value: Spelled, redacted: Spelled | undefined): Spelled {
  if (typeof value === 'string') return value === redacted ? value : HIDDEN
  if (!isMap(value)) {
    const others = redacted === undefined || typeof redacted === 'string' || isMap(redacted) ? [] : redacted
    return value.map((item, at) => hide(item, others[at]))
  }
  const others = redacted !== undefined && typeof redacted !== 'string' && isMap(redacted) ? redacted : new Map()
  return new Map([...value].map(([key, member]) => [key, hide(member, others.get(key))]))
}

function parse(line: Buffer): Spelled {
  return parseSpelled(line.toString())
}
