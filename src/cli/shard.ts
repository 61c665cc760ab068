import type { Options } from 'yargs'
import type { RunningReplica } from '../delivery/replicas/check-replica.ts'
import { parseShardKey, SHARD_KEY } from '../delivery/replicas/shard-key.ts'
import { SluiceError } from '../errors.ts'

/** `--shard` of the commands that one of several replicas runs. */
export const shardOption = {
  type: 'string',
  describe:
    'Collect the tenants of this replica only: 2/5 is the second of five; a pod name counts as its ordinal plus 1',
  requiresArg: true,
} as const satisfies Options

/** `--count`, and the number that `sluice new shard-key` takes: how many replicas there are. */
export function parseCount(text: string, what: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count >= 1) return count
  throw new SluiceError('USAGE', `${what} ${text} is not a number of replicas`, {
    hint: 'give a number from 1 to 9999',
  })
}

/**
 * The replica that `--shard`, or else the variable SLUICE_SHARD, names, with the key in SLUICE_SHARD_KEY.
 * Undefined if neither is set. Before the slash is the number of the replica, from 1, or the name of a
 * pod of a StatefulSet: `collector-0` is replica 1.
 * @throws SluiceError USAGE
 */
export function replicaOf(shard: string | undefined): RunningReplica | undefined {
  const variable = process.env['SLUICE_SHARD'] ?? ''
  const [text, what] = shard === undefined ? [variable, 'SLUICE_SHARD'] : [shard, '--shard']
  if (text === '' && shard === undefined) return undefined
  const [, name = '', digits = '', total = ''] = /^(?:([^/\s]*-)?)(\d{1,4})\/(\d{1,4})$/.exec(text.trim()) ?? []
  const count = Number(total)
  const number = name === '' ? Number(digits) : Number(digits) + 1
  if (digits !== '' && number >= 1 && number <= count) return { number, count, key: shardKey() }
  throw new SluiceError('USAGE', `${what} ${JSON.stringify(text)} ${problemOf({ name, digits, number, count })}`, {
    hint: 'write 1/5 to 5/5 for five replicas; or the name of a pod of a StatefulSet, whose ordinals start at 0: collector-0/5 to collector-4/5',
  })
}

function problemOf(parsed: { name: string; digits: string; number: number; count: number }): string {
  const { name, digits, number, count } = parsed
  if (digits === '') return 'is not the number of a replica and the number of all'
  if (number === 0) return 'starts at 0: replicas are numbered from 1'
  return name === ''
    ? `has no replica ${number} of ${count}`
    : `names replica ${number} of ${count}, because pods are numbered from 0`
}

/** Undefined if the variable is not set. */
function shardKey(): RunningReplica['key'] {
  const text = process.env[SHARD_KEY] ?? ''
  return text === '' ? undefined : parseShardKey(text)
}
