import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hasState } from '../../../delivery/state/state-reader.ts'
import { systemCode } from '../../../errors.ts'
import { print, printJson } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, stateOption } from '../../options.ts'
import { describeRun, oneLine } from './summary.ts'

interface ListRunsArguments {
  state: string
  json: boolean
}

export const command: CommandDefinition<ListRunsArguments> = {
  builder: (parser) => parser.option('state', stateOption).option('json', jsonOption),
  handler: async ({ state, json }) => {
    const folders = (await namesIn(resolve(state))).map((name) => join(resolve(state), name)).filter(hasState)
    const runs = (await Promise.all(folders.map((folder) => describeRun(folder)))).flatMap((run) => run ?? [])
    if (json) return printJson(runs)
    print(...(runs.length === 0 ? ['no unfinished parallel backfill'] : runs.map(oneLine)))
  },
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
