import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { insertedIn } from '../../config/inserted.ts'
import { testFolder } from '../../config/test-files.ts'
import { SluiceError } from '../../errors.ts'
import { recordPipeline } from '../../inspect/record/record-pipeline.ts'
import { writeRecording } from '../../inspect/record/write-recording.ts'
import { openLog } from '../../observe/log.ts'
import { print, say } from '../../observe/output.ts'
import { plural } from '../../observe/report.ts'
import type { CommandDefinition } from '../command.ts'
import { loadOrFail } from '../load.ts'
import { pipelineArgument, setOption } from '../options.ts'
import { stopOnSignals } from '../signals.ts'

interface RecordArguments {
  readonly pipeline: string
  readonly pages: number | undefined
  readonly records: number | undefined
  readonly out: string | undefined
  readonly name: string | undefined
  readonly set: string[] | undefined
}

export const command: CommandDefinition<RecordArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('pages', { type: 'number', requiresArg: true, describe: 'Number of requests to record; default: 5' })
      .option('records', {
        type: 'number',
        requiresArg: true,
        conflicts: 'pages',
        describe: 'In place of requests: number of records to record, of any source',
      })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'Test file; default: tests/PIPELINE/recorded.yaml',
      })
      .option('name', { type: 'string', requiresArg: true, describe: 'Name of the test' })
      .option('set', setOption)
      .example('$0 record okta --pages 3 --set source.window.since=1h', 'a test from what the API answers now')
      .example('$0 record archive --records 20', 'a test from the first records of any source'),
  handler: async ({ pipeline: nameOrPath, pages = 5, records, out, name, set }) => {
    checkCount('--pages', pages, MOST_PAGES)
    if (records !== undefined) checkCount('--records', records, MOST_RECORDS)
    const [pipeline] = await loadOrFail([nameOrPath], { mode: 'run', parts: ['source', 'transforms'], set: set ?? [] })
    const file = join(pipeline.folder, basename(pipeline.file))
    const path = out === undefined ? join(testFolder(file), 'recorded.yaml') : resolve(out)
    if (dirname(path) !== testFolder(file) || !['.yaml', '.yml'].includes(extname(path)))
      throw new SluiceError('USAGE', `${out} is not a test file of the pipeline ${pipeline.name}`, {
        hint: `name a .yaml file in ${relative(process.cwd(), testFolder(file))}/`,
      })
    const signals = stopOnSignals((signal) => say('', `${signal}: nothing is recorded`))
    pipeline.secrets.hold()
    try {
      const recording = await recordPipeline({
        pipeline,
        most: records === undefined ? { pages } : { records },
        inserted: await insertedIn(file),
        signal: signals.stop,
        note: (await openLog()).noteOf(pipeline.source.stage),
      })
      const { input } = recording
      const recorded =
        'lines' in input
          ? `takes ${plural(input.lines.length, 'recorded record')}`
          : `collects ${plural(input.pages.length, 'recorded page')}`
      const test = name ?? recorded
      const files = await writeRecording(recording, { path, pipeline: file, name: test })
      print(...files.map((one) => relative(process.cwd(), one)))
      if (recording.removed.length > 0) say('removed:', ...recording.removed.map((what) => `  ${what}`))
      say('the records are real: look through the files before you share them')
    } catch (error) {
      if (signals.stop.aborted) throw new SluiceError('INTERRUPTED', 'stopped; nothing is recorded')
      throw error
    } finally {
      pipeline.secrets.drop()
      signals.forget()
    }
  },
}

const MOST_PAGES = 100
const MOST_RECORDS = 1000

/** @throws SluiceError USAGE */
function checkCount(option: string, count: number, most: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return
  throw new SluiceError('USAGE', `${option} must be a whole number from 1 to ${most}`)
}
