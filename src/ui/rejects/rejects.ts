import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPipeline } from '../../config/find-pipeline.ts'
import { hasState } from '../../delivery/state/state-reader.ts'
import { SluiceError } from '../../errors.ts'
import type { Report } from '../../observe/report.ts'
import { Refused, requireEdit } from '../failures.ts'
import { JobRunner } from '../jobs/job-runner.ts'
import { requireName } from '../project-files.ts'
import type { RejectChoice, RejectDetail, RejectPage, RejectQuery, ReplayAnswer, TryRejectsAnswer } from './api.ts'
import { replayInProcess } from './replay-process.ts'

interface RejectsOptions {
  /** The project folder. */
  readonly root: string
  /** The folder that holds the states of pipelines. */
  readonly states: string
  /** Rejects may be replayed. */
  readonly edit: boolean
}

/** The dead-letter queues of the project's pipelines: what is in them, and replays. */
export class Rejects {
  readonly #options: RejectsOptions
  /** Nothing that takes long, so that no list waits for custom code. */
  readonly #reader = new JobRunner()
  readonly #trier = new JobRunner()
  readonly #ending = new AbortController()
  readonly #replays = new Map<string, Promise<ReplayAnswer>>()
  #listed: Promise<unknown> = Promise.resolve()

  constructor(options: RejectsOptions) {
    this.#options = options
  }

  /**
   * A page of a queue. Lists are made one after the other: one that nobody waits for any more when it is its turn is
   * not made.
   * @param gone aborted when nobody waits for it
   */
  async list(name: string, query: RejectQuery, gone: AbortSignal): Promise<RejectPage> {
    const folder = await this.#folder(name)
    if (folder === undefined) return { total: 0, matching: 0, evicted: 0, withoutTime: 0, groups: [], rejects: [] }
    const list = this.#listed.then(() => {
      if (gone.aborted) throw new SluiceError('INTERRUPTED', 'nobody waits for this list any more')
      return this.#reader.do('listRejects', { folder, query }, LIST)
    })
    this.#listed = list.catch(() => undefined)
    return list
  }

  /**
   * One reject with its record.
   * @param unparsed also a line that did not parse, in which nothing is redacted
   * @throws Refused if it is not in the queue any more
   */
  async detail(name: string, id: string, unparsed: boolean): Promise<RejectDetail> {
    const folder = await this.#folder(name)
    const found = folder === undefined ? undefined : await this.#reader.do('readReject', { folder, id, unparsed }, LIST)
    if (found) return found
    throw new Refused(404, 'USAGE', `the reject ${id} is not in the dead-letter queue any more`, {
      hint: 'it was replayed or deleted: look at the list again',
    })
  }

  async try(name: string, choice: RejectChoice): Promise<TryRejectsAnswer> {
    const folder = await this.#queue(name)
    const { root } = this.#options
    await findPipeline(name, root)
    return this.#trier.do('tryRejects', { root, name, folder, choice }, TRY)
  }

  /** @throws Refused without `edit`, or while another replay of the pipeline is under way; as the command says */
  async replay(name: string, choice: RejectChoice): Promise<ReplayAnswer> {
    requireEdit(this.#options.edit, 'replay rejects')
    const folder = await this.#queue(name)
    await findPipeline(name, this.#options.root)
    if (this.#replays.has(name))
      throw new Refused(409, 'STATE_IN_USE', `rejects of ${name} are being replayed already`, {
        hint: 'wait until that has ended, and look at the list again',
      })
    const replay = this.#replay(name, folder, choice)
    this.#replays.set(name, replay)
    try {
      return await replay
    } finally {
      this.#replays.delete(name)
    }
  }

  /** Stops replays after a clean commit, and waits for that. */
  async close(): Promise<void> {
    this.#ending.abort()
    await Promise.allSettled(this.#replays.values())
    await Promise.all([this.#reader.close(), this.#trier.close()])
  }

  async #replay(name: string, folder: string, choice: RejectChoice): Promise<ReplayAnswer> {
    const { root, states } = this.#options
    // Others on this machine must not read records.
    const temporary = await mkdtemp(join(tmpdir(), 'sluice-replay-'))
    try {
      const file = join(temporary, 'chosen.ndjson')
      const count = await this.#reader.do('writeChoice', { folder, choice, path: file }, WRITE)
      if (count === 0)
        throw new SluiceError('USAGE', 'none of these rejects can be replayed: nothing was replayed', {
          hint: 'they are not in the queue any more, or have no record: look at the list again',
        })
      return answerOf(await replayInProcess({ root, states, name, file, folder: temporary, stop: this.#ending.signal }))
    } catch (error) {
      throw error instanceof SluiceError && error.code === 'STATE_IN_USE' ? inUse(error) : error
    } finally {
      await rm(temporary, { recursive: true, force: true, maxRetries: 5 })
    }
  }

  /** The state folder of a pipeline; undefined if it has none yet. @throws SluiceError PIPELINE_NOT_FOUND */
  async #folder(name: string): Promise<string | undefined> {
    const { root, states } = this.#options
    requireName(name)
    const folder = join(states, name)
    if (hasState(folder)) return folder
    await findPipeline(name, root)
    return undefined
  }

  async #queue(name: string): Promise<string> {
    const folder = await this.#folder(name)
    if (folder !== undefined) return folder
    throw new SluiceError('STATE_NOT_FOUND', `${name} has no state, and no rejects`, { hint: 'run it first' })
  }
}

/* Milliseconds that jobs may take. */
const LIST = 60_000
const TRY = 300_000
const WRITE = 300_000

function inUse({ message }: SluiceError): SluiceError {
  return new Refused(409, 'STATE_IN_USE', `${message}; nothing was replayed`, {
    hint: 'stop the run first, replay, and start it again: it continues where it was',
  })
}

function answerOf(report: Report): ReplayAnswer {
  const { outcome, read, written, rejected, duplicate, dropped, unpublished } = report
  return {
    outcome: outcome === 'done' ? 'done' : 'interrupted',
    read,
    written,
    rejected,
    duplicate,
    dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
    unpublished: unpublished.objects,
  }
}
