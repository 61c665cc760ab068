import type { Loaded } from '../../config/load.ts'
import { allPipelines } from '../../config/find-pipeline.ts'
import { loadPipeline } from '../../config/load.ts'
import { hasState, readState } from '../../delivery/state/state-reader.ts'
import type { CheckedPipeline, Problem } from '../../config/pipeline.ts'
import { renderProblems } from '../../config/render.ts'
import { SluiceError } from '../../errors.ts'
import { print, printJson, printText, safeJson, say, writeRendered } from '../../observe/output.ts'
import { plural } from '../../observe/report.ts'
import { checkConnections } from '../../inspect/connect.ts'
import { guaranteesOf, renderGuarantees } from '../../inspect/guarantees.ts'
import type { Guarantees } from '../../inspect/guarantees.ts'
import type { CommandDefinition } from '../command.ts'
import { nodeVersionNotice } from '../node-version.ts'
import { setOption, stateOption } from '../options.ts'
import { stateFolder } from '../state-folder.ts'

interface CheckArguments {
  pipeline: string[] | undefined
  set: string[] | undefined
  json: boolean
  connect: boolean
  guarantees: boolean
  state: string
}

export const command: CommandDefinition<CheckArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', {
        type: 'string',
        array: true,
        describe: 'Pipeline names or paths; default: all in pipelines/',
      })
      .option('set', setOption)
      .option('json', { type: 'boolean', default: false, describe: 'Print the problems as JSON' })
      .option('connect', {
        type: 'boolean',
        default: false,
        describe:
          'Also check credentials, clocks, one API page and each permission in the store; leaves no object there',
      })
      .option('guarantees', { type: 'boolean', default: false, describe: 'Also show the guarantees of each pipeline' })
      .option('state', { ...stateOption, describe: "Folder with the pipelines' states, for --guarantees" })
      .example('$0 check', 'check all pipelines')
      .example('$0 check jumpcloud --json', 'for editors and CI'),
  handler: async ({ pipeline, set, json, connect, guarantees, state }) => {
    const notice = nodeVersionNotice(process.version)
    if (notice !== undefined) say(notice)
    const names = pipeline === undefined || pipeline.length === 0 ? await allPipelines() : pipeline
    const loaded = await Promise.all(
      names.map((name) => loadPipeline(name, { mode: connect ? 'run' : 'check', set: set ?? [] })),
    )
    const problems = loaded.flatMap((one) => one.problems)
    const errors = problems.filter(isError).length
    const guaranteesByPipeline = new Map<Loaded, Guarantees>()
    for (const one of guarantees ? loaded : [])
      if (one.pipeline) guaranteesByPipeline.set(one, await loadGuarantees(one.pipeline, state))
    if (json) {
      const byName = Object.fromEntries([...guaranteesByPipeline].map(([one, found]) => [one.pipeline?.name, found]))
      const result = {
        errors,
        warnings: problems.length - errors,
        problems,
        notes: loaded.flatMap((one) => one.notes),
        ...(guarantees && { guarantees: byName }),
      }
      printJson(result)
    } else for (const one of loaded) await writeSummary(one, guaranteesByPipeline.get(one))
    if (errors === 0) {
      if (connect) await connectAll(loaded, json)
      return
    }
    const files = loaded.filter((one) => one.problems.some(isError)).length
    throw new SluiceError('CONFIG_INVALID', `${plural(errors, 'error')} in ${plural(files, 'pipeline')}`)
  },
}

/** @throws SluiceError with the code of the first failure */
async function connectAll(loaded: readonly Loaded[], json: boolean): Promise<void> {
  let failure: SluiceError | undefined
  for (const { pipeline } of loaded) {
    if (pipeline === undefined) continue
    for await (const { part, what, found, error } of checkConnections(pipeline, new AbortController().signal)) {
      failure ??= error
      const result = {
        pipeline: pipeline.name,
        part,
        what,
        ok: error === undefined,
        found: error?.message ?? found ?? '',
      }
      if (json) print(safeJson(result))
      else print(`  ${result.ok ? 'ok    ' : 'FAILED'} ${part}: ${what}: ${result.found}`)
    }
  }
  if (failure !== undefined)
    throw new SluiceError(failure.code, 'a run would fail: see above', { retryable: failure.retryable })
}

async function loadGuarantees(pipeline: CheckedPipeline, states: string): Promise<Guarantees> {
  const folder = stateFolder(pipeline.name, states)
  return guaranteesOf(pipeline, hasState(folder) ? await readState(folder, (state) => state.stores()) : undefined)
}

async function writeSummary({ pipeline, problems, notes }: Loaded, guarantees: Guarantees | undefined): Promise<void> {
  writeRendered(process.stdout, await renderProblems([...problems, ...notes], process.stdout))
  const warnings = problems.length === 0 ? '' : `, ${plural(problems.length, 'warning')}`
  if (pipeline !== undefined) print(`${pipeline.file}: ok${warnings}`)
  if (guarantees !== undefined) printText(renderGuarantees(guarantees))
}

function isError({ severity }: Problem): boolean {
  return severity === 'error'
}
