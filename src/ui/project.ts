import { statSync } from 'node:fs'
import { join } from 'node:path'
import { findPipeline, listPipelines, PIPELINE_NAME } from '../config/find-pipeline.ts'
import { loadPipeline } from '../config/load.ts'
import type { Problem } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { namesIfPresent } from '../fields/present.ts'
import { graphOf } from '../inspect/graph/model.ts'
import type { PipelineGraph } from '../inspect/graph/model.ts'
import { hasState } from '../delivery/state/state-reader.ts'
import { alertsOf } from './alerts.ts'
import type { PipelineDetail, PipelineRow } from './api.ts'
import { readSummary } from './read-summary.ts'
import type { Runs } from './runs.ts'

interface ProjectOptions {
  /** The folder that contains `pipelines/`. */
  readonly root: string
  /** The folder that holds the states of pipelines. */
  readonly states: string
  readonly runs: Runs
}

/** What one look has found. */
interface Seen {
  readonly hasFile: boolean
  readonly summary: Awaited<ReturnType<typeof readSummary>>
}

interface Checked {
  /** The modification times of the files that it was read from. */
  readonly stamp: string
  readonly description: string | undefined
  readonly problems: readonly Problem[]
  readonly graph: PipelineGraph | undefined
}

/** The pipelines of a project as they are now: their files and their states, beside their runs. */
export class Project {
  readonly #options: ProjectOptions
  readonly #checks = new Map<string, Promise<Checked>>()
  readonly #checked = new Map<string, Checked>()
  #rows: { readonly at: number; readonly rows: Promise<PipelineRow[]> } | undefined

  constructor(options: ProjectOptions) {
    this.#options = options
  }

  /** Every pipeline that has a file or a state, by name. All that watch share a look at the states. */
  rows(): Promise<PipelineRow[]> {
    const now = performance.now()
    if (this.#rows === undefined || now - this.#rows.at > LOOK_INTERVAL)
      this.#rows = { at: now, rows: this.#readRows() }
    return this.#rows.rows
  }

  async #readRows(): Promise<PipelineRow[]> {
    const { root, states } = this.#options
    const files = new Set(await listPipelines(root))
    const withState = namesIfPresent(states).filter((name) => PIPELINE_NAME.test(name) && hasState(join(states, name)))
    const names = [...new Set([...files, ...withState])].toSorted()
    return Promise.all(
      names.map(async (name) => this.#row(name, { hasFile: files.has(name), summary: await this.#summary(name) })),
    )
  }

  /** @throws SluiceError PIPELINE_NOT_FOUND */
  async detail(name: string): Promise<PipelineDetail> {
    const hasFile = (await listPipelines(this.#options.root)).includes(name)
    const summary = await this.#summary(name)
    if (!hasFile && summary === undefined)
      throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline ${JSON.stringify(name)}`, {
        hint: 'a pipeline is a file in pipelines/, or has a state',
      })
    const checked = hasFile ? await this.#check(name) : undefined
    const row = this.#row(name, { hasFile, summary })
    const { last } = this.#options.runs.of(name)
    const known = summary !== undefined && !('trouble' in summary) ? summary : undefined
    return {
      row,
      problems: (checked?.problems ?? []).map(withoutText),
      ...(checked?.graph && { graph: checked.graph }),
      partitions: known?.partitions ?? [],
      objects: known?.objects ?? [],
      epochs: known?.epochs ?? 0,
      ...(last && { lastRun: last }),
    }
  }

  #row(name: string, { hasFile, summary }: Seen): PipelineRow {
    const now = Date.now()
    const { snapshot, history } = this.#options.runs.of(name)
    const known = summary !== undefined && !('trouble' in summary) ? summary : undefined
    // It is checked beside: the answer does not wait for custom code to load.
    if (hasFile) this.#check(name).catch(() => undefined)
    const checked = this.#checked.get(name)
    // A source that waits for input holds nothing up.
    const bottleneck = snapshot?.bottleneck?.reason === 'input' ? undefined : snapshot?.bottleneck
    const times = (known?.partitions ?? []).flatMap(({ readUpToAt }) => readUpToAt ?? [])
    const countOf = (severity: Problem['severity']): number =>
      checked?.problems.filter((problem) => problem.severity === severity).length ?? 0
    return {
      name,
      isMissing: !hasFile,
      ...(checked?.description !== undefined && { description: checked.description }),
      ...(checked && { errors: countOf('error'), warnings: countOf('warning') }),
      state: snapshot ? 'running' : summary === undefined ? 'new' : known ? 'stopped' : 'unreadable',
      ...(summary !== undefined && 'trouble' in summary && { trouble: summary.trouble }),
      ...(snapshot && { runState: snapshot.state, recordsPerSecond: snapshot.read.recordsPerSecond }),
      ...(bottleneck && { bottleneck: { stage: bottleneck.stage, reason: bottleneck.reason } }),
      ...(known?.committedAt !== undefined && { committedAt: known.committedAt }),
      ...(times.length > 0 && { readUpToAt: times.reduce((one, other) => Math.min(one, other)) }),
      ...(known && { ledger: known.ledger, rejects: known.rejects, waiting: known.waiting }),
      sparkline: history.sparkline(now),
      alerts: snapshot
        ? alertsOf({
            snapshot,
            freshnessBefore: history.freshnessBefore(now),
            committedAt: known?.committedAt,
            now,
          })
        : [],
    }
  }

  async #summary(name: string): ReturnType<typeof readSummary> {
    // Names in addresses are anything: `..` is no pipeline.
    return PIPELINE_NAME.test(name) ? readSummary(join(this.#options.states, name)) : undefined
  }

  /** Checks the file again if it has changed. */
  async #check(name: string): Promise<Checked> {
    const { root } = this.#options
    const path = await findPipeline(name, root)
    const stamp = String(statSync(path).mtimeMs)
    const known = this.#checked.get(name)
    if (known?.stamp === stamp) return known
    const running = this.#checks.get(name)
    if (running) return running
    const checking = check(name, { root, stamp })
    this.#checks.set(name, checking)
    try {
      const checked = await checking
      this.#checked.set(name, checked)
      return checked
    } finally {
      this.#checks.delete(name)
    }
  }
}

/** Milliseconds between two looks at the states. */
const LOOK_INTERVAL = 500

/** As `sluice check`: a variable that is not set is a warning. */
async function check(name: string, { root, stamp }: { root: string; stamp: string }): Promise<Checked> {
  const { pipeline, problems, notes } = await loadPipeline(name, { root, mode: 'check' })
  return {
    stamp,
    description: pipeline?.description,
    problems: [...problems, ...notes],
    graph: pipeline && (await graphOf(pipeline)),
  }
}

/** Without the source line: it may hold a value that the page is not to show. */
function withoutText({ text: _text, ...problem }: Problem): Omit<Problem, 'text'> {
  return problem
}
