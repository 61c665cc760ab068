import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import type { TypeOf } from '../../observe/shapes.ts'
import { answers, ofPipeline } from '../route-shapes.ts'
import type { Named } from '../route-shapes.ts'
import {
  addComponentRequest,
  addTestRequest,
  checkAnswer,
  textRequest,
  completeAnswer,
  completeRequest,
  componentsAnswer,
  describeAnswer,
  editedText,
  pipelineFile,
  sampleAnswer,
  sampleRequest,
  saveRequest,
  testsAnswer,
  tryAnswer,
  tryRequest,
} from './api.ts'
import type { Workbench } from './workbench.ts'

/** Adds the routes of the workbench. */
export function addWorkbench(api: FastifyInstance, workbench: Workbench): void {
  api.get<Named>(
    '/pipelines/:name/file',
    { schema: { ...ofPipeline, ...answers('A pipeline file, as it is on the disk.', pipelineFile) } },
    ({ params }) => workbench.file(params.name),
  )
  api.put<Named & Body<typeof saveRequest>>(
    '/pipelines/:name/file',
    options('Saves a pipeline file that is valid. Needs `--edit`.', saveRequest, pipelineFile),
    ({ params, body }) => workbench.save(params.name, body),
  )
  api.post<Named & Body<typeof textRequest>>(
    '/pipelines/:name/check',
    options('Checks a pipeline file, or a text.', textRequest, checkAnswer),
    ({ params, body }) => workbench.check(params.name, body),
  )
  api.post<Named & Body<typeof sampleRequest>>(
    '/pipelines/:name/samples',
    options('Keeps samples to try.', sampleRequest, sampleAnswer),
    ({ params, body }) => workbench.addSample(params.name, body),
  )
  api.post<Named & Body<typeof tryRequest>>(
    '/pipelines/:name/try',
    options('What each stage does with each sample. Writes nothing.', tryRequest, tryAnswer),
    ({ params, body }) => workbench.try(params.name, body),
  )
  api.post<Named & Body<typeof textRequest>>(
    '/pipelines/:name/tests',
    options('Runs the tests of a pipeline.', textRequest, testsAnswer),
    ({ params, body }) => workbench.runTests(params.name, body),
  )
  api.post<Named & Body<typeof addTestRequest>>(
    '/pipelines/:name/add-test',
    options(
      'Makes a test of samples and what becomes of them; answers with the text. The input of the test has the values before redaction.',
      addTestRequest,
      editedText,
    ),
    ({ params, body }) => workbench.addTest(params.name, body),
  )
  api.post<Named & Body<typeof addComponentRequest>>(
    '/pipelines/:name/add-component',
    options('Adds a component with an example of its options; answers with the text.', addComponentRequest, editedText),
    ({ params, body }) => workbench.addComponent(params.name, body),
  )
  api.post<Named & Body<typeof completeRequest>>(
    '/pipelines/:name/complete',
    options(
      'What may be written at a place. The options of custom components need `--edit`.',
      completeRequest,
      completeAnswer,
    ),
    ({ params, body }) => workbench.complete(params.name, body),
  )
  api.post<Named & Body<typeof completeRequest>>(
    '/pipelines/:name/describe',
    options(
      'The documentation of what is at a place. That of custom components needs `--edit`.',
      completeRequest,
      describeAnswer,
    ),
    ({ params, body }) => workbench.describe(params.name, body),
  )
  api.get('/components', { schema: answers('All built-in components.', componentsAnswer) }, () =>
    workbench.components(),
  )
}

function options(description: string, body: object, answer: object) {
  return { bodyLimit: LARGEST, schema: { ...ofPipeline, body, ...answers(description, answer) } }
}

interface Body<Shape extends TSchema> {
  Body: TypeOf<Shape>
}

/** Bytes of a request: samples, in JSON. */
const LARGEST = 16 * 1024 * 1024
