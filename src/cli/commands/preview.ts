import { SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/log.ts'
import { previewPipeline } from '../../inspect/preview.ts'
import { renderPreview } from '../../inspect/render-preview.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'

interface PreviewArguments {
  readonly pipeline: string
  readonly input: string | undefined
  readonly limit: number
  readonly set: string[] | undefined
}

export const command: CommandDefinition<PreviewArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', demandOption: true, describe: 'Name or path' })
      .positional('input', { type: 'string', describe: "A file to read instead of the pipeline's source, or -" })
      .option('limit', { type: 'number', default: 10, describe: 'How many records', requiresArg: true })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'Override a value of the file: path=value',
      }),
  handler: async ({ pipeline: name, input, limit, set }) => {
    if (!Number.isInteger(limit) || limit < 1) throw new SluiceError('USAGE', '--limit must be a whole number from 1')
    const source = input === undefined ? undefined : { type: 'file', config: { path: input } }
    const [pipeline] = await loadOrFail([name], { mode: 'run', set: set ?? [], ...(source && { source }) })
    const records = await previewPipeline(pipeline, limit)
    process.stdout.write(hideSecrets(renderPreview(records, process.stdout), pipeline.secrets))
  },
}
