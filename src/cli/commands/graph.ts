import { allPipelines } from '../../config/find-pipeline.ts'
import { graphOf } from '../../inspect/graph/model.ts'
import { renderMermaid } from '../../inspect/graph/mermaid.ts'
import { renderSvg } from '../../inspect/graph/svg.ts'
import { printText } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'

interface GraphArguments {
  pipeline: string[] | undefined
  format: keyof typeof FORMATS
}

const FORMATS = { mermaid: renderMermaid, svg: renderSvg }

export const command: CommandDefinition<GraphArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', {
        type: 'string',
        array: true,
        describe: 'Pipeline names or paths; default: all in pipelines/',
      })
      .option('format', {
        choices: ['mermaid', 'svg'] as const,
        default: 'mermaid' as const,
        describe: 'Text for Markdown pages and wikis, or a picture',
      })
      .example('$0 graph jumpcloud', 'a Mermaid diagram')
      .example('$0 graph --format svg > pipelines.svg', 'a picture of all pipelines'),
  handler: async ({ pipeline, format }) => {
    const names = pipeline === undefined || pipeline.length === 0 ? await allPipelines() : pipeline
    // Without the environment: nothing of it can get into a picture, and nothing has to be set.
    const pipelines = await loadOrFail(names, { mode: 'test', env: {} })
    printText(FORMATS[format](await Promise.all(pipelines.map(graphOf))))
  },
}
