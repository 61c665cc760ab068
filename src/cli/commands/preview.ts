import { SluiceError } from '../../errors.ts'
import { say, writeRendered } from '../../observe/output.ts'
import { previewPipeline } from '../../inspect/preview.ts'
import type { StageRule } from '../../runtime/transform-stages.ts'
import { plural } from '../../observe/report.ts'
import { renderPreview } from '../../inspect/render-preview.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'
import { fileSource, pipelineArgument, recordsOption, setOption } from '../options.ts'

interface PreviewArguments {
  readonly pipeline: string
  readonly input: string | undefined
  readonly limit: number
  readonly redacted: boolean
  readonly records: string[] | undefined
  readonly set: string[] | undefined
}

export const command: CommandDefinition<PreviewArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .positional('input', {
        type: 'string',
        describe: "File or s3:// path to read instead of the pipeline's source, or - for standard input",
      })
      .option('limit', { type: 'number', default: 10, describe: 'Maximum number of records', requiresArg: true })
      .option('redacted', {
        type: 'boolean',
        default: false,
        describe: 'Show records only after the transforms',
      })
      .option('records', recordsOption)
      .option('set', setOption),
  handler: async ({ pipeline: name, input, limit, redacted, records, set }) => {
    if (!Number.isInteger(limit) || limit < 1) throw new SluiceError('USAGE', '--limit must be a positive integer')
    if (records !== undefined && input === undefined) {
      throw new SluiceError('USAGE', '--records needs a file to read', {
        hint: 'name a file, or set the option of the source: --set source.records=PATH',
      })
    }
    const source = input === undefined ? undefined : fileSource(input, records)
    const [pipeline] = await loadOrFail([name], {
      mode: 'run',
      parts: ['source', 'transforms'],
      set: set ?? [],
      ...(source && { source }),
    })
    if (!redacted) say(SHOWS_INPUT)
    let count = 0
    let rules: readonly StageRule[] = []
    for await (const record of previewPipeline(pipeline, limit, (seen) => (rules = seen))) {
      const separator = count++ > 0 ? '\n' : ''
      writeRendered(
        process.stdout,
        separator + renderPreview(redacted ? { ...record, before: undefined } : record, process.stdout),
      )
    }
    if (count === 0) say('the source has no records to show')
    for (const { stage, rule, matches, searches } of count === 0 ? [] : rules) {
      if (matches === 0 && !searches)
        say(`a rule matched nothing in ${plural(count, 'record')}; is its path misspelt? ${stage}: ${rule}`)
    }
  },
}

/** A built-in `redact` is taken into account, but not custom code that removes values. */
const SHOWS_INPUT =
  'the preview shows records as they are read, with the values hidden that `redact` changes; --redacted shows only what is written'
