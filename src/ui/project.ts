import { statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { findPipeline, listPipelines, PIPELINE_NAME } from '../config/find-pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { namesIfPresent, statIfPresent } from '../fields/present.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { hasState } from '../delivery/state/state-reader.ts'
import { alertsOf } from './alerts.ts'
import type { PipelineDetail, PipelineRow } from './api.ts'
import type { FileCheck } from './check-file.ts'
import { JobRunner } from './jobs/job-runner.ts'
import { CountsReader, orTrouble } from './read-counts.ts'
import type { Counts, Trouble } from './read-counts.ts'
import { readDetail } from './read-detail.ts'
import type { StateDetail } from './read-detail.ts'
import type { Runs } from './runs.ts'
import type { ApiProblem } from './shapes.ts'
import { withTenants } from './tenants.ts'

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
  readonly counts: Counts | Trouble | undefined
}

interface Checked extends FileCheck {
  /** Of the file when it was checked. */
  readonly stamp: string
}

/** The pipelines of a project as they are now: their files and their states, beside their runs. */
export class Project {
  readonly #options: ProjectOptions
  readonly #checks = new Map<string, Promise<Checked>>()
  readonly #checked = new Map<string, Checked>()
  readonly #checker = new JobRunner()
  readonly #counts = new CountsReader()
  readonly #details = new Map<string, { readonly at: number; readonly detail: Promise<PipelineDetail> }>()
  #rows: { readonly at: number; readonly rows: Promise<PipelineRow[]> } | undefined

  constructor(options: ProjectOptions) {
    this.#options = options
  }

  async close(): Promise<void> {
    await this.#checker.close()
  }

  /**
   * Every pipeline that has a file, a state or a run, by name. All that watch share a look at the states.
   * @throws SluiceError FILE_NOT_FOUND if the folder of the pipelines or of the states cannot be read
   */
  rows(): Promise<PipelineRow[]> {
    const now = performance.now()
    if (this.#rows === undefined || now - this.#rows.at > LOOK_INTERVAL)
      this.#rows = { at: now, rows: this.#readRows() }
    return this.#rows.rows
  }

  async #readRows(): Promise<PipelineRow[]> {
    const { root, states } = this.#options
    checkStates(states)
    const files = new Set(await listPipelines(root))
    const withState = namesIfPresent(states).filter((name) => PIPELINE_NAME.test(name) && hasState(join(states, name)))
    const names = [...new Set([...files, ...withState, ...this.#options.runs.names])].toSorted()
    return Promise.all(
      names.map(async (name) => this.#row(name, { hasFile: files.has(name), counts: await this.#readCounts(name) })),
    )
  }

  /**
   * All that look at a pipeline share a look at its state.
   * @throws SluiceError PIPELINE_NOT_FOUND, and as `rows`
   */
  detail(name: string): Promise<PipelineDetail> {
    const now = performance.now()
    for (const [other, { at }] of this.#details) if (now - at > LOOK_INTERVAL) this.#details.delete(other)
    const known = this.#details.get(name)
    if (known) return known.detail
    const detail = this.#readDetail(name)
    this.#details.set(name, { at: now, detail })
    return detail
  }

  async #readDetail(name: string): Promise<PipelineDetail> {
    checkStates(this.#options.states)
    const hasFile = (await listPipelines(this.#options.root)).includes(name)
    const counts = await this.#readCounts(name)
    const { snapshot, last } = this.#options.runs.of(name)
    if (!hasFile && counts === undefined && snapshot === undefined && last === undefined)
      throw new SluiceError('PIPELINE_NOT_FOUND', `there is no pipeline ${JSON.stringify(name)}`, {
        hint: 'a pipeline is a file in pipelines/, or has a state',
      })
    const checked = hasFile ? await this.#check(name) : undefined
    const isReadable = counts !== undefined && !('trouble' in counts)
    const state = isReadable ? await orTrouble(() => readDetail(join(this.#options.states, name))) : undefined
    const known = state === undefined || 'trouble' in state ? EMPTY : state
    return {
      row: this.#row(name, { hasFile, counts: state !== undefined && 'trouble' in state ? state : counts }),
      problems: checked?.problems ?? [],
      ...(checked?.graph && { graph: checked.graph }),
      ...known,
      partitions: withTenants(known.partitions, checked?.tenants ?? new Map()),
      ...(last && { lastRun: last }),
    }
  }

  #row(name: string, { hasFile, counts }: Seen): PipelineRow {
    const now = Date.now()
    const { snapshot, history } = this.#options.runs.of(name)
    const known = counts !== undefined && !('trouble' in counts) ? counts : undefined
    // It is checked beside: the answer does not wait for custom code to load.
    if (hasFile) this.#check(name).catch(() => undefined)
    const checked = this.#checked.get(name)
    // A source that waits for input holds nothing up.
    const bottleneck = snapshot?.bottleneck?.reason === 'input' ? undefined : snapshot?.bottleneck
    const countOf = (severity: ApiProblem['severity']): number =>
      checked?.problems.filter((problem) => problem.severity === severity).length ?? 0
    return {
      name,
      isMissing: !hasFile,
      ...(checked?.description !== undefined && { description: checked.description }),
      ...(checked && { errors: countOf('error'), warnings: countOf('warning') }),
      state: snapshot ? 'running' : counts === undefined ? 'new' : known ? 'stopped' : 'unreadable',
      ...(counts !== undefined && 'trouble' in counts && { trouble: counts.trouble }),
      ...(snapshot && { runState: snapshot.state, recordsPerSecond: snapshot.read.recordsPerSecond }),
      ...(bottleneck && { bottleneck: { stage: bottleneck.stage, reason: bottleneck.reason } }),
      ...known,
      ...(snapshot && countsOfRun(snapshot)),
      sparkline: history.sparkline(now),
      alerts: alertsOf({ snapshot, samples: history.samples, committedAt: known?.committedAt, now }),
    }
  }

  async #readCounts(name: string): Promise<Counts | Trouble | undefined> {
    // Names in addresses are anything: `..` is no pipeline.
    if (!PIPELINE_NAME.test(name)) return undefined
    const isRunning = this.#options.runs.of(name).snapshot !== undefined
    return this.#counts.read(join(this.#options.states, name), { isRunning })
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
    const checking = this.#checker
      .do('checkFile', { root, name }, CHECK_TIME)
      .catch((error: unknown) => failedCheck(relative(root, path), error))
      .then((checked) => ({ stamp, ...checked }))
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

/** Milliseconds that loading a pipeline with its code may take. */
const CHECK_TIME = 10_000

/** Milliseconds between two looks at the states. */
const LOOK_INTERVAL = 500

/** @throws SluiceError FILE_NOT_FOUND. Without a folder, there are no states yet. */
function checkStates(states: string): void {
  if (statIfPresent(states)?.isDirectory() === false)
    throw new SluiceError('FILE_NOT_FOUND', `${states} is no folder, so it holds no states`, {
      hint: 'name the folder with --state; .sluice is the default',
    })
}

/** Of a pipeline without a state, or with one that cannot be read. */
const EMPTY: StateDetail = { partitions: [], objects: [], epochs: 0, lastEpochs: [] }

/** What a run knows of its state without a look at all rows. */
function countsOfRun({ sinks, freshness }: StatusSnapshot): Pick<PipelineRow, 'waiting' | 'readUpToAt'> {
  const [worst] = freshness.behind
  return {
    waiting: {
      objects: sinks.reduce((sum, { waiting }) => sum + waiting.objects, 0),
      bytes: sinks.reduce((sum, { waiting }) => sum + waiting.bytes, 0),
    },
    ...(worst && { readUpToAt: worst.readUpToAt }),
  }
}

/** A file that cannot be checked: what `sluice check` would fail with. */
function failedCheck(file: string, error: unknown): FileCheck {
  const { message, hint } = asSluiceError(error, 'INTERNAL', 'the file cannot be checked')
  const problem = { severity: 'error' as const, file, line: 1, column: 1, length: 1, message }
  return { problems: [{ ...problem, ...(hint !== undefined && { hint }) }], tenants: new Map() }
}
