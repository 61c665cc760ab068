import { defineSink } from '../component.ts'
import type { SinkDeclaration, StreamSink } from '../component.ts'

/** The declaration of a stream sink that exists already: it hands records to the program. */
export function streamSink(type: string, sink: StreamSink): SinkDeclaration {
  return defineSink({
    type,
    summary: 'Hands records to the program.',
    delivers: 'stream',
    fields: {},
    create: () => sink,
  })
}
