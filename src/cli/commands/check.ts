import type { Loaded } from '../../config/load.ts'
import { listPipelines, loadPipeline } from '../../config/load.ts'
import { hasState, readState } from '../../delivery/state/state-reader.ts'
import type { CheckedPipeline, Problem } from '../../config/pipeline.ts'
import { renderProblems } from '../../config/render.ts'
import { SluiceError } from '../../errors.ts'
import { hideSecrets } from '../../observe/log.ts'
import { connectPipeline } from '../../inspect/connect.ts'
import { guaranteesOf, renderGuarantees } from '../../inspect/guarantees.ts'
import type { Guarantees } from '../../inspect/guarantees.ts'
import type { CommandDefinition } from '../command.ts'
import { stateFolder, stateOption } from '../state-folder.ts'

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
      .positional('pipeline', { type: 'string', array: true, describe: 'Names or paths' })
      .option('set', { type: 'string', array: true, nargs: 1, describe: 'Override a value: sink.bucket=audit' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the problems as JSON' })
      .option('connect', {
        type: 'boolean',
        default: false,
        describe: 'Try credentials, clocks, one page and each right in the store; nothing is written',
      })
      .option('guarantees', { type: 'boolean', default: false, describe: 'Also say what each pipeline promises' })
      .option('state', { ...stateOption, describe: 'Where guarantees look for what is known of a store' })
      .example('$0 check', 'check all pipelines')
      .example('$0 check jumpcloud --json', 'for editors and CI'),
  handler: async ({ pipeline, set, json, connect, guarantees, state }) => {
    const names = pipeline === undefined || pipeline.length === 0 ? await allPipelines() : pipeline
    const loaded = await Promise.all(
      names.map((name) => loadPipeline(name, { mode: connect ? 'run' : 'check', set: set ?? [] })),
    )
    const problems = loaded.flatMap((one) => one.problems)
    const errors = problems.filter(isError).length
    const promised = new Map<Loaded, Guarantees>()
    for (const one of guarantees ? loaded : [])
      if (one.pipeline) promised.set(one, await promisesOf(one.pipeline, state))
    if (json) {
      const listed = Object.fromEntries([...promised].map(([one, found]) => [one.pipeline?.name, found]))
      const facts = {
        errors,
        warnings: problems.length - errors,
        problems,
        notes: loaded.flatMap((one) => one.notes),
        ...(guarantees && { guarantees: listed }),
      }
      process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`)
    } else process.stdout.write(loaded.map((one) => summary(one) + render(promised.get(one))).join(''))
    if (errors === 0) {
      if (connect) await tryAll(loaded, json)
      return
    }
    const files = loaded.filter((one) => one.problems.some(isError)).length
    throw new SluiceError('CONFIG_INVALID', `${count(errors, 'error')} in ${count(files, 'pipeline')}`)
  },
}

/** @throws SluiceError the first failure's, when there was one */
async function tryAll(loaded: readonly Loaded[], json: boolean): Promise<void> {
  let failure: SluiceError | undefined
  for (const { pipeline } of loaded) {
    if (pipeline === undefined) continue
    for await (const { part, what, found, error } of connectPipeline(pipeline, new AbortController().signal)) {
      failure ??= error
      const told = {
        pipeline: pipeline.name,
        part,
        what,
        ok: error === undefined,
        found: error?.message ?? found ?? '',
      }
      const line = json ? JSON.stringify(told) : `  ${told.ok ? 'ok    ' : 'FAILED'} ${part}: ${what}: ${told.found}`
      process.stdout.write(`${hideSecrets(line, pipeline.secrets)}\n`)
    }
  }
  if (failure !== undefined)
    throw new SluiceError(failure.code, 'a run would fail: see above', { retryable: failure.retryable })
}

async function promisesOf(pipeline: CheckedPipeline, states: string): Promise<Guarantees> {
  const folder = stateFolder(pipeline.name, states)
  return guaranteesOf(pipeline, hasState(folder) ? await readState(folder, (state) => state.stores()) : undefined)
}

function render(guarantees: Guarantees | undefined): string {
  return guarantees === undefined ? '' : renderGuarantees(guarantees)
}

async function allPipelines(): Promise<string[]> {
  const names = await listPipelines()
  if (names.length > 0) return names
  throw new SluiceError('PIPELINE_NOT_FOUND', 'there is no pipeline in pipelines/', {
    hint: 'sluice new pipeline NAME',
  })
}

function summary({ pipeline, problems, notes }: Loaded): string {
  const warnings = problems.length === 0 ? '' : `, ${count(problems.length, 'warning')}`
  const verdict = pipeline === undefined ? '' : `${pipeline.file}: ok${warnings}\n`
  return renderProblems([...problems, ...notes], process.stdout) + verdict
}

function isError({ severity }: Problem): boolean {
  return severity === 'error'
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
