import { isCustom } from './component-name.ts'
import type { CheckedPipeline, PipelineTest } from './pipeline.ts'
import { wholeInputOf } from './pipeline-test.ts'
import type { WholeInput } from './pipeline-test.ts'
import { mapPaths } from './map-paths.ts'

/** What keeps a pipeline from having a test. */
export interface Unfit {
  readonly message: string
  readonly hint: string
}

/** Why the pipeline cannot have this test of a whole pipeline; undefined if it can. */
export function whyUntestable(
  { source, sinks: [sink], rejects }: Pick<CheckedPipeline, 'source' | 'sinks' | 'rejects'>,
  test: PipelineTest,
): Unfit | undefined {
  const named = `the test ${JSON.stringify(test.name)}`
  const given = wholeInputOf(test)
  const takes = inputsOf(source)
  if (!takes.includes(given))
    return {
      message: `${named} has ${given}, but the source ${source.stage} does not take them`,
      hint: wayOut(source, given, takes),
    }
  if ((test.restartAfter ?? test.restartIn) !== undefined && sink.declaration.delivers !== 'objects')
    return {
      message: `${named} restarts, but the sink ${sink.stage} keeps no state`,
      hint: 'remove the restart: each run of this pipeline reads from the beginning',
    }
  if (test.expect?.rejectObjects !== undefined && rejects === undefined)
    return {
      message: `${named} expects rejectObjects, but the pipeline has no sink in rejects`,
      hint: 'expect rejects in place of rejectObjects, or add a type to `rejects` of the pipeline',
    }
  return undefined
}

/** What a test can give to a source. */
function inputsOf(source: CheckedPipeline['source']): readonly WholeInput[] {
  const { type } = source.declaration
  if (HTTP_SOURCES.has(type)) return ['pages', 'records']
  if (type === 's3') return ['objects', 'records']
  if (!isCustom(type)) return ['files', 'records']
  return readsFiles(source) ? ['pages', 'files', 'records'] : ['pages', 'records']
}

const HTTP_SOURCES: ReadonlySet<string> = new Set(['http', 'jumpcloud'])

/** True if the configuration has a path that can lead to the files of a test. */
function readsFiles({ declaration, config }: CheckedPipeline['source']): boolean {
  let count = 0
  mapPaths(declaration.fields, config, (path) => {
    count++
    return path
  })
  return count > 0
}

function wayOut(
  { stage, declaration }: CheckedPipeline['source'],
  given: WholeInput,
  takes: readonly string[],
): string {
  if (given === 'files' && isCustom(declaration.type))
    return 'declare the option with its path as FilePath or InputPath, or use records, which replace the source'
  const own = takes.filter((one) => one !== 'records')
  return `use ${own.join(' or ')} for the source ${stage}, or records, which replace any source`
}
