import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hasState } from '../../../delivery/state/state-reader.ts'
import { systemCode } from '../../../errors.ts'
import { print, printJson } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, stateOption } from '../../options.ts'
import { lookIntoQueue, queueAddress, queueOption } from '../../queue-options.ts'
import { renderRuns } from './queued.ts'
import { describeRun } from './summary.ts'

interface ListRunsArguments {
  state: string
  queue: string | undefined
  json: boolean
}

export const command: CommandDefinition<ListRunsArguments> = {
  builder: (parser) => parser.option('state', stateOption).option('queue', queueOption).option('json', jsonOption),
  handler: async ({ state, queue, json }) => {
    const folders = (await namesIn(resolve(state))).map((name) => join(resolve(state), name)).filter(hasState)
    const runs = (await Promise.all(folders.map((folder) => describeRun(folder)))).flatMap((run) => run ?? [])
    const content = await lookIntoQueue(queueAddress(queue))
    if (json) return printJson(content ? { runs, queue: content } : { runs })
    print(...renderRuns(runs, content))
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
