import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { askOwner } from '../../delivery/control/ask-owner.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { print, say, writeRendered } from '../../observe/output.ts'
import { plural } from '../../observe/report.ts'
import { isObject } from '../../record/json/json.ts'
import type { CommandDefinition } from '../command.ts'
import { stateOption } from '../options.ts'
import { stateFolder } from '../state-folder.ts'

interface ReloadArguments {
  pipeline?: string[]
  state: string
}

export const command: CommandDefinition<ReloadArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', {
        type: 'string',
        array: true,
        describe: 'Pipeline names or paths; default: all that run with this state folder',
      })
      .option('state', stateOption)
      .example('$0 reload jumpcloud', 'replace the configuration of the running pipeline'),
  handler: async ({ pipeline: named = [], state }) => {
    const isAll = named.length === 0
    const failures: SluiceError[] = []
    let reloaded = 0
    const names = isAll ? await statesIn(state) : named
    for (const name of names) {
      try {
        await reload(name, state)
        reloaded++
      } catch (error) {
        const failure = asSluiceError(error, 'INTERNAL', 'the reload failed')
        if (isAll && (failure.code === 'NOT_RUNNING' || failure.code === 'STATE_NOT_FOUND')) continue
        failures.push(failure)
        if (names.length > 1) say(`${name}: ${failure.code}: ${failure.message}`)
      }
    }
    if (failures[0] !== undefined && failures.length === 1) throw failures[0]
    if (failures.length > 1)
      throw new SluiceError('CONFIG_INVALID', `${plural(failures.length, 'pipeline')} not reloaded, see above`)
    if (reloaded === 0)
      throw new SluiceError('NOT_RUNNING', `no pipeline runs with the states in ${resolve(state)}`, {
        hint: 'name the folder with the states of the process with --state',
      })
  },
}

/** @throws SluiceError why the old configuration stays in use */
async function reload(pipeline: string, states: string): Promise<void> {
  const folder = stateFolder(pipeline, states)
  for await (const answer of askOwner({ command: 'reload' }, { folder, pipeline })) {
    if (answer.kind !== 'data' || !isObject(answer.data)) continue
    const { problems, reloaded, epoch } = answer.data
    if (typeof problems === 'string') writeRendered(process.stderr, problems)
    if (reloaded === true) print(`${pipeline}: reloaded${typeof epoch === 'number' ? ` at epoch ${epoch}` : ''}`)
  }
}

async function statesIn(states: string): Promise<string[]> {
  const entries = await readdir(resolve(states), { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}
