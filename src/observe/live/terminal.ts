import { readFileSync } from 'node:fs'

/**
 * True if a live view can be shown on a stream: a terminal that obeys escape sequences, with a person in
 * front of it.
 */
export function canShowLive(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): boolean {
  const { TERM = '', CI = '' } = env
  return stream.isTTY && TERM !== 'dumb' && !isSet(CI) && !isInBackground()
}

/** True if colours are wanted, see no-color.org. */
export function hasColour(env: NodeJS.ProcessEnv = process.env): boolean {
  return (env['NO_COLOR'] ?? '') === ''
}

/** The console of Linux has no other characters than its font. */
export function hasBlocks(env: NodeJS.ProcessEnv = process.env): boolean {
  return env['TERM'] !== 'linux'
}

/**
 * True if another program has the terminal: this one was started with `&`, or stopped and continued with
 * `bg`. What it draws would be in the way. False where the system does not say.
 */
export function isInBackground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    // The name of the program, in parentheses, may hold anything.
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(foreground) > 0 && group !== foreground
  } catch {
    return false
  }
}

function isSet(value: string): boolean {
  return value !== '' && value !== '0' && value !== 'false'
}
