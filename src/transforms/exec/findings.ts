import { basename, resolve } from 'node:path'
import type { Context, Finding } from '../../component.ts'
import { statIfPresent } from '../../fields/present.ts'
import { isPath, obstacleTo } from './program-files.ts'

export interface ExecConfig {
  readonly command: readonly string[]
  readonly process: 'batch' | 'run'
  readonly lines: 'one' | 'any'
  readonly env: { readonly [name: string]: string }
}

/** Mistakes that types cannot express. */
export function* findingsOf(config: ExecConfig, { folder }: Context): Generator<Finding, void> {
  const { command, process, lines, env } = config
  const [program = '', ...args] = command
  if (process === 'run' && lines === 'any') {
    yield {
      at: ['lines'],
      message: 'a program that adds or removes records needs process: batch',
      hint: 'as long as it runs, nothing says that it has written the last line of a batch',
    }
  }
  yield* programFindings(program, args, { folder, path: env.PATH })
  for (const [at, arg] of args.entries()) {
    if (!SHELL.has(arg)) continue
    yield {
      at: ['command', at + 1],
      message: `${arg} is passed to ${program} as text: no shell is started`,
      hint: "for a pipe or a redirection write [sh, -c, 'one | two']",
      severity: 'warning',
    }
  }
  for (const name of Object.keys(env)) {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) continue
    yield { at: ['env', name], message: `"${name}" is not the name of an environment variable` }
  }
  yield* habitFindings(config, basename(program), args)
}

const SHELL = new Set(['|', '||', '&&', '&', ';', '>', '>>', '<', '2>&1', '2>/dev/null'])

function* programFindings(
  program: string,
  args: readonly string[],
  { folder, path }: { readonly folder: string; readonly path: string | undefined },
): Generator<Finding, void> {
  const at = ['command', 0]
  const obstacle = obstacleTo(program, folder, path)
  if (obstacle === undefined) return
  if (/\s/.test(program) && args.length === 0) {
    yield {
      at,
      message: `there is no program named "${program}"`,
      hint: `write each argument as its own entry: [${program.trim().split(/\s+/).join(', ')}]`,
    }
  } else if (obstacle === 'folder') {
    yield { at, message: `${program} is a folder, not a program` }
  } else if (obstacle === 'not executable') {
    yield {
      at,
      message: `${program} is not executable`,
      hint: `run chmod +x ${program}, or name the program that runs it: [python3, ${program}]`,
    }
  } else if (isPath(program)) {
    yield {
      at,
      message: `the program ${program} does not exist`,
      hint: `paths are relative to the pipeline file: ${resolve(folder, program)}`,
    }
  } else if (statIfPresent(resolve(folder, program))?.isFile() === true) {
    yield { at, message: `${program} is not in PATH`, hint: `for the file beside the pipeline file write ./${program}` }
  } else {
    yield {
      at,
      message: `${program} is not in PATH here`,
      hint: 'install it where the pipeline runs; without it the run fails with PROGRAM_FAILED',
      severity: 'warning',
    }
  }
}

/** What the usual programs do unless an option says otherwise. */
function* habitFindings(
  { process, lines, env }: ExecConfig,
  name: string,
  args: readonly string[],
): Generator<Finding> {
  const has = (...options: string[]): boolean => args.some((arg) => options.some((option) => isOption(arg, option)))
  if (name === 'jq' && !has('-c', '--compact-output')) {
    yield {
      at: ['command', 0],
      message: 'jq writes a record over several lines',
      hint: 'add -c: [jq, -c, …]',
      severity: 'warning',
    }
  }
  if (/^[ef]?grep$|^rg$|^head$|^tail$|^sort$|^uniq$/.test(name) && lines === 'one') {
    yield {
      at: ['command', 0],
      message: `${name} does not write one line for each record in order`,
      hint: 'set lines: any',
      severity: 'warning',
    }
  }
  const unbuffered = process === 'run' ? UNBUFFERED.find(({ program }) => program.test(name)) : undefined
  if (unbuffered === undefined || has(...unbuffered.options) || env.PYTHONUNBUFFERED !== undefined) return
  if (args.some((arg) => arg.includes('fflush'))) return
  yield {
    at: ['process'],
    message: `${name} keeps its output in a buffer, and would not answer`,
    hint: `${unbuffered.hint}, or use process: batch`,
    severity: 'warning',
  }
}

const UNBUFFERED = [
  { program: /^python[\d.]*$/, options: ['-u'], hint: 'add -u' },
  { program: /^jq$/, options: ['--unbuffered'], hint: 'add --unbuffered' },
  { program: /^g?sed$/, options: ['-u', '--unbuffered'], hint: 'add -u' },
  { program: /^mawk$/, options: ['-W'], hint: 'add -W interactive' },
  { program: /^[gn]?awk$/, options: [], hint: 'start it with [stdbuf, -oL, …], or call fflush() after each line' },
  { program: /^tr$|^cut$/, options: [], hint: 'start it with [stdbuf, -oL, …]' },
]

/** Also one of several short options: `-rc` has `-c`. */
function isOption(arg: string, option: string): boolean {
  return arg === option || (/^-[A-Za-z]+$/.test(arg) && /^-[A-Za-z]$/.test(option) && arg.includes(option.slice(1)))
}
