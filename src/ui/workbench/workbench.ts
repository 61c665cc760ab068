import { createHash } from 'node:crypto'
import { readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import type { TypeOf } from '../../observe/shapes.ts'
import { isCustom } from '../../config/component-name.ts'
import { findPipeline } from '../../config/find-pipeline.ts'
import { asSluiceError } from '../../errors.ts'
import { addComponent } from '../../inspect/edit/add-component.ts'
import { complete } from '../../inspect/edit/complete.ts'
import { describePlace } from '../../inspect/edit/describe-place.ts'
import { findComponent } from '../../registry.ts'
import type { FindComponent } from '../../registry.ts'
import { fileInProject, requireName } from '../project-files.ts'
import { Refused, requireEdit } from '../failures.ts'
import { JobRunner } from '../jobs/job-runner.ts'
import type {
  addComponentRequest,
  addTestRequest,
  completeRequest,
  saveRequest,
  tryRequest,
  textRequest,
} from './api.ts'
import type {
  CompleteAnswer,
  ComponentsAnswer,
  DescribeAnswer,
  EditedText,
  CheckAnswer,
  PipelineFile,
  SampleAnswer,
  SampleRequest,
  TestsAnswer,
  TryAnswer,
} from './api.ts'
import type { TypedPlace } from './complete-text.ts'
import { describeComponents } from './describe-components.ts'
import { Samples } from './samples.ts'
import type { TextPlace } from '../load-text.ts'

type CompleteRequest = TypeOf<typeof completeRequest>

interface WorkbenchOptions {
  /** The project folder. */
  readonly root: string
  /** Texts may be tried and saved. */
  readonly edit: boolean
}

/**
 * What the workbench of the page can do with a pipeline file: check it, try it on samples, run its tests, save
 * it. It changes nothing but that file, and only with `edit`.
 */
export class Workbench {
  readonly #root: string
  readonly #edit: boolean
  readonly #runner = new JobRunner()
  /** Apart, so that typing does not wait for tests. */
  readonly #typing = new JobRunner()
  readonly #samples = new Samples()

  constructor({ root, edit }: WorkbenchOptions) {
    this.#root = root
    this.#edit = edit
  }

  async file(name: string): Promise<PipelineFile> {
    const path = await this.#path(name)
    const bytes = await readFile(path)
    return { path: relative(this.#root, path), text: bytes.toString(), version: versionOf(bytes) }
  }

  /** Saves a valid text. Whoever reads the file meanwhile gets all of one of the two. */
  async save(name: string, { text, version }: TypeOf<typeof saveRequest>): Promise<PipelineFile> {
    requireEdit(this.#edit, 'save it')
    const path = await this.#path(name)
    const { problems } = await this.check(name, { text })
    const first = problems.find(({ severity }) => severity === 'error')
    if (first !== undefined)
      throw new Refused(422, 'CONFIG_INVALID', `${first.file}:${first.line}: ${first.message}`, {
        hint: 'nothing was saved: a file with errors does not run',
      })
    // As late as possible: another program has no lock that it would wait for.
    if (versionOf(await readFile(path)) !== version)
      throw new Refused(409, 'CONFIG_INVALID', `${relative(this.#root, path)} has changed since it was opened here`, {
        hint: 'nothing was saved: copy your changes, load the file again and put them in',
      })
    await replace(path, text)
    return this.file(name)
  }

  check(name: string, { text }: TypeOf<typeof textRequest>): Promise<CheckAnswer> {
    return this.#withText(name, text, (file) => this.#runner.do('checkText', file, SOON))
  }

  async addSample(name: string, request: SampleRequest): Promise<SampleAnswer> {
    if ('pasted' in request) return this.#samples.add('pasted', Buffer.from(request.pasted))
    if ('file' in request) {
      const { file, records, first } = request
      const path = await fileInProject(this.#root, file)
      if (/[*?[\]{}]/.test(file))
        throw new Refused(422, 'USAGE', `${file} would be a pattern of several files`, { hint: 'rename the file' })
      const found = await this.#withText(name, undefined, (place) =>
        this.#runner.do('readSource', { ...place, file: { path, records }, first }, LATER),
      )
      return this.#samples.add(file, Buffer.from(found.bytes), found.isCut)
    }
    if ('source' in request) requireEdit(this.#edit, 'read its source')
    const { text, first } = request
    const recording = 'recording' in request ? request.recording : undefined
    const found = await this.#withText(name, text, (place) =>
      this.#runner.do('readSource', { ...place, ...(recording !== undefined && { recording }), first }, LATER),
    )
    return this.#samples.add(recording ?? `the source of ${name}`, Buffer.from(found.bytes), found.isCut)
  }

  try(name: string, { text, sample, from, count, values }: TypeOf<typeof tryRequest>): Promise<TryAnswer> {
    const { bytes } = this.#samples.get(sample)
    return this.#withText(name, text, (file) =>
      this.#runner.do('tryText', { ...file, bytes, from, count, values: values === true }, SOON),
    )
  }

  runTests(name: string, { text }: TypeOf<typeof textRequest>): Promise<TestsAnswer> {
    return this.#withText(name, text, (file) => this.#runner.do('runTests', file, LATEST))
  }

  addTest(name: string, { text, sample, records, name: test }: TypeOf<typeof addTestRequest>): Promise<EditedText> {
    const lines = this.#samples.lines(sample, records)
    return this.#withText(name, text, ({ root }) =>
      this.#runner.do('addTest', { root, name, text, test, lines }, LATER),
    )
  }

  addComponent(name: string, { text, ...component }: TypeOf<typeof addComponentRequest>): Promise<EditedText> {
    return this.#withText(name, text, () => addComponent(text, component))
  }

  /** Needs no `edit`: without it, nothing of the text is loaded, and the options of custom components are not known. */
  complete(name: string, place: CompleteRequest): Promise<CompleteAnswer> {
    return this.#look(name, place, complete, (typed) => this.#typing.do('completeText', typed, WHILE_TYPING))
  }

  /** As `complete`. */
  describe(name: string, place: CompleteRequest): Promise<DescribeAnswer> {
    return this.#look(name, place, describePlace, (typed) => this.#typing.do('describeText', typed, WHILE_TYPING))
  }

  components(): Promise<ComponentsAnswer> {
    return describeComponents()
  }

  async close(): Promise<void> {
    await Promise.all([this.#runner.close(), this.#typing.close()])
  }

  /** Answers from the built-in components. If a custom one is at the place, a process that loads it answers, if it can. */
  async #look<Answer>(
    name: string,
    { text, offset }: CompleteRequest,
    look: (text: string, offset: number, find: FindComponent) => Promise<Answer>,
    loadAndLook: (place: TypedPlace) => Promise<Answer>,
  ): Promise<Answer> {
    await this.#path(name)
    let hasCustom = false
    const answer = await look(text, offset, (kind, type) => {
      hasCustom ||= isCustom(type)
      return findComponent(kind, type)
    })
    if (!hasCustom || !this.#edit) return answer
    return loadAndLook({ root: this.#root, name, text, offset }).catch(() => answer)
  }

  async #withText<Answer>(
    name: string,
    text: string | undefined,
    use: (file: TextPlace) => Promise<Answer>,
  ): Promise<Answer> {
    if (text !== undefined) requireEdit(this.#edit, 'try what is typed')
    await this.#path(name)
    return use({ root: this.#root, name, text })
  }

  /** @throws SluiceError PIPELINE_NOT_FOUND; Refused for a link */
  async #path(name: string): Promise<string> {
    requireName(name)
    return fileInProject(this.#root, relative(this.#root, await findPipeline(name, this.#root)))
  }
}

/* Milliseconds that jobs may take. */
const WHILE_TYPING = 3000
const SOON = 10_000
const LATER = 30_000
const LATEST = 300_000

function versionOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const { mode } = await stat(path)
    await writeFile(temporary, text, { mode, flag: 'wx' })
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw asSluiceError(error, 'DISK_FAILED', `cannot write ${path}`)
  }
}
