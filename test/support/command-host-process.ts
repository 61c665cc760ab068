/**
 * Runs command lines one after another, for command-host.ts. Each one enters through `main`, as
 * from a shell, with its own folder, environment, output and exit status.
 */
import { pathToFileURL } from 'node:url'
import { MAIN } from './paths.ts'

const { main }: { main: (args: readonly string[]) => Promise<void> } = await import(pathToFileURL(MAIN).href)

export interface CommandLine {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

process.on('message', (line: CommandLine) => void run(line))
process.on('disconnect', () => process.exit())

async function run({ args, cwd, env }: CommandLine): Promise<void> {
  process.chdir(cwd)
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  process.exitCode = undefined
  await main(args)
  const { exitCode = 0 } = process
  process.exitCode = undefined
  // A NUL marks the end of the output. No command prints one.
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('\0', done))))
  process.send?.(exitCode)
}
