import { existsSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { listPipelines } from '../../config/find-pipeline.ts'
import { readShipped } from '../../config/shipped.ts'
import { SluiceError } from '../../errors.ts'
import { namesIfPresent, statIfPresent } from '../../fields/present.ts'
import { print, say } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { commandIn } from '../project/installation.ts'
import { FIRST_PIPELINE, projectFiles } from '../project/new-project.ts'
import { writeFiles } from '../project/write-files.ts'

interface InitArguments {
  folder: string
  from?: string | undefined
}

export const command: CommandDefinition<InitArguments> = {
  builder: (parser) =>
    parser
      .positional('folder', { type: 'string', default: '.', describe: 'Folder of the project; is created' })
      .option('from', {
        type: 'string',
        requiresArg: true,
        describe: 'Begin with a pipeline that comes with Sluice, such as okta, in place of one for sample events',
      })
      .example('$0 init audit', 'create a project in the folder audit')
      .example('$0 init --from okta', 'complete this folder, with the pipeline for Okta'),
  handler: async ({ folder, from }) => {
    const project = resolve(folder)
    if (from !== undefined) readShipped(from)
    checkFolder(project)
    const hasOwn = await hasPipeline(project, from)
    const { created, kept } = await writeFiles(project, projectFiles(project, hasOwn ? { none: true } : from))
    print(...created.map((path) => join(relative('.', project), path)))
    if (kept.length > 0) say(`kept as they were: ${kept.join(', ')}`)
    warnOfIgnore(project)
    sayNext(project, hasOwn ? undefined : (from ?? FIRST_PIPELINE))
  },
}

/** True if the project needs no first pipeline, or has it under another ending. */
async function hasPipeline(project: string, from: string | undefined): Promise<boolean> {
  const path = join(project, 'pipelines', from ?? FIRST_PIPELINE)
  if (existsSync(`${path}.yaml`)) return false
  return from === undefined ? (await listPipelines(project)).length > 0 : existsSync(`${path}.yml`)
}

/** A project may be completed. A folder with other things in it is probably the wrong one. */
function checkFolder(project: string): void {
  const stats = statIfPresent(project)
  if (stats === undefined) return
  if (!stats.isDirectory())
    throw new SluiceError('USAGE', `${project} is not a folder`, { hint: 'name another folder' })
  if (['package.json', '.git', 'pipelines'].some((name) => existsSync(join(project, name)))) return
  const others = namesIfPresent(project).filter((name) => !name.startsWith('.') && !name.endsWith('.tgz'))
  if (others.length === 0) return
  const [first = ''] = others
  throw new SluiceError('USAGE', `the folder ${project} is not a project, and not empty: it contains ${first}`, {
    hint: 'name a new folder, sluice init FOLDER, or make this one a project with npm init -y or git init',
  })
}

/** Its secrets would be committed. */
function warnOfIgnore(project: string): void {
  const path = join(project, '.gitignore')
  const lines = statIfPresent(path)?.isFile() === true ? readFileSync(path, 'utf8').split(/\r?\n/) : []
  if (!lines.some((line) => /^(\*\*\/|\/)?\.env\*?$/.test(line.trim())))
    say('warning: .gitignore does not name .env: add the line, so that its secrets are not committed')
}

function sayNext(project: string, pipeline: string | undefined): void {
  const sluice = commandIn(project)
  const place = relative('.', project)
  const hasEnvironment = existsSync(join(project, '.env'))
  const lines = [
    `${sluice} test`,
    hasEnvironment ? `${sluice} check --connect` : 'cp .env.example .env   # then fill it in',
    pipeline === undefined ? `${sluice} check` : `${sluice} run ${pipeline}`,
  ]
  say('', `next${place === '' ? '' : `, in ${place}`}:`, ...lines.map((line) => `  ${line}`))
}
