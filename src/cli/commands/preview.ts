import { SluiceError } from '../../errors.ts'
import { say, writeRendered } from '../../observe/output.ts'
import { previewPipeline } from '../../inspect/preview.ts'
import { renderPreview } from '../../inspect/render-preview.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'
import { pipelineArgument, setOption } from '../options.ts'

interface PreviewArguments {
  readonly pipeline: string
  readonly input: string | undefined
  readonly limit: number
  readonly set: string[] | undefined
}

export const command: CommandDefinition<PreviewArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .positional('input', {
        type: 'string',
        describe: "File to read instead of the pipeline's source, or - for standard input",
      })
      .option('limit', { type: 'number', default: 10, describe: 'Maximum number of records', requiresArg: true })
      .option('set', setOption),
  handler: async ({ pipeline: name, input, limit, set }) => {
    if (!Number.isInteger(limit) || limit < 1) throw new SluiceError('USAGE', '--limit must be a positive integer')
    const source = input === undefined ? undefined : { type: 'file', config: { path: input } }
    const [pipeline] = await loadOrFail([name], {
      mode: 'run',
      parts: ['source', 'transforms'],
      set: set ?? [],
      ...(source && { source }),
    })
    let count = 0
    for await (const record of previewPipeline(pipeline, limit)) {
      const separator = count++ > 0 ? '\n' : ''
      writeRendered(process.stdout, separator + renderPreview(record, process.stdout))
    }
    if (count === 0) say('the source has no records to show')
  },
}
