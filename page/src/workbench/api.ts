import type { Static } from 'typebox'
import type {
  addComponentRequest,
  addTestRequest,
  CheckAnswer,
  completeRequest,
  CompleteAnswer,
  ComponentsAnswer,
  DescribeAnswer,
  EditedText,
  PipelineFile,
  SampleAnswer,
  SampleRequest,
  saveRequest,
  TestsAnswer,
  TryAnswer,
  TryRequest,
} from '../../../src/ui/workbench/api.ts'
import { send } from '../api.ts'

type Place = Static<typeof completeRequest>
/** Undefined: what is in the file. */
type MaybeText = { readonly text?: string }

/** What uses the text of the editor; without one, the file. */
export interface TextUser {
  readonly api: WorkbenchApi
  readonly text: () => MaybeText
}

/** The workbench of a pipeline. Each throws ApiFailure. */
export class WorkbenchApi {
  readonly #path: string

  constructor(name: string) {
    this.#path = `/pipelines/${encodeURIComponent(name)}`
  }

  file(): Promise<PipelineFile> {
    return send('GET', `${this.#path}/file`)
  }

  save(request: Static<typeof saveRequest>): Promise<PipelineFile> {
    return send('PUT', `${this.#path}/file`, request)
  }

  check(request: MaybeText): Promise<CheckAnswer> {
    return this.#post('check', request)
  }

  addSample(request: SampleRequest): Promise<SampleAnswer> {
    return this.#post('samples', request)
  }

  try(request: TryRequest): Promise<TryAnswer> {
    return this.#post('try', request)
  }

  runTests(request: MaybeText): Promise<TestsAnswer> {
    return this.#post('tests', request)
  }

  addTest(request: Static<typeof addTestRequest>): Promise<EditedText> {
    return this.#post('add-test', request)
  }

  addComponent(request: Static<typeof addComponentRequest>): Promise<EditedText> {
    return this.#post('add-component', request)
  }

  complete(place: Place): Promise<CompleteAnswer> {
    return this.#post('complete', place)
  }

  describe(place: Place): Promise<DescribeAnswer> {
    return this.#post('describe', place)
  }

  #post<Shape>(what: string, body: object): Promise<Shape> {
    return send('POST', `${this.#path}/${what}`, body)
  }
}

export function loadComponents(): Promise<ComponentsAnswer> {
  return send('GET', '/components')
}
