/*
 * The folder is synced at every start, because a process that was killed may have created the
 * database and not synced its name: a later power failure would delete it.
 *
 * The fingerprint is the configuration that gives dedup keys their meaning, see `fingerprint.ts`. A
 * run with another fingerprint stops with STATE_MISMATCH, because it would not recognise events of
 * earlier runs, until a person accepts the change. Changes by a person leave a row.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import type { Files } from '../../files.ts'
import type { Note } from '../../observe/messages/table.ts'
import { readVersion } from '../../package.ts'
import { HASH_KEY_BYTES } from '../../record/digest.ts'
import type { ControlRequests } from '../control/control-requests.ts'
import { checkReplica, newReplicaRow } from '../replicas/check-replica.ts'
import type { RunningReplica } from '../replicas/check-replica.ts'
import { ALONE } from '../replicas/replica.ts'
import type { Database } from './database.ts'
import { differences, takeFingerprint } from './fingerprint.ts'
import type { Fingerprint, KeyDefinition } from './fingerprint.ts'
import { checkFormat, FORMAT, migrate } from './formats.ts'
import type { Meta } from './rows.ts'
import { databaseFolder, noState } from './state-reader.ts'
import { put, transact } from './transact.ts'

export interface StateOptions {
  readonly folder: string
  readonly files: Files
  readonly pipeline: string
  /** A run with another one is refused, see the comment at the top. */
  readonly keys: KeyDefinition
  /**
   * The replica that will collect with the state. Default: none, nothing is collected of its own
   * accord, and the state may be that of any replica.
   */
  readonly replica?: RunningReplica | undefined
  /** The state may still wait for exports: it is opened to import them. Default: false. */
  readonly isImport?: boolean
  /** The export of a whole state that a new state is created for. */
  readonly importing?: { readonly id: string; readonly hashKey: string } | undefined
  /** What the process answers while it owns the state. Default: nothing. */
  readonly control?: ControlRequests | undefined
  /** Learns that the state was migrated. */
  readonly note?: Note | undefined
  /** Default: LMDB. */
  readonly openDatabase?: ((folder: string) => Database | Promise<Database>) | undefined
}

/**
 * Checks that an existing state may be used with these options, and migrates it, or creates a new one. Its
 * name is durable when the promise resolves.
 * @throws SluiceError STATE_MISMATCH, STATE_DAMAGED
 */
export async function checkOrCreate(db: Database, options: StateOptions, stored: Meta | undefined): Promise<Meta> {
  let now: Fingerprint | undefined
  const take = async (salt: Buffer): Promise<Fingerprint> => (now ??= await takeFingerprint(options.keys, salt))
  const meta = stored ?? (await create(db, options, take))
  if (stored) checkFormat(stored)
  checkPipeline(meta, options)
  checkReplica(meta, options.replica, options)
  checkFingerprint(meta, options, await take(saltOf(meta)))
  // At every start, see the comment at the top.
  await options.files.fsyncFolder(databaseFolder(options.folder))
  const migrated = await migrate(db, options.folder, meta, Date.now())
  if (migrated !== meta) options.note?.('state.migrated', { from: meta.format, to: migrated.format })
  return migrated
}

/** Checks a state that exists, and migrates it. @throws SluiceError STATE_NOT_FOUND, STATE_MISMATCH */
export async function checkExisting(db: Database, folder: string, stored: Meta | undefined): Promise<Meta> {
  if (!stored) throw noState(folder)
  checkFormat(stored)
  return migrate(db, folder, stored, Date.now())
}

async function create(
  db: Database,
  { folder, files, pipeline, replica = ALONE, isImport = false, importing }: StateOptions,
  take: (salt: Buffer) => Promise<Fingerprint>,
): Promise<Meta> {
  for (const name of ['outbox', 'dedup', 'rejects', 'shards']) {
    if ((await files.readdir(join(folder, name))).length > 0) {
      throw new SluiceError(
        'STATE_DAMAGED',
        `${folder} has files in ${name}, but no state: restore its state folder, or move ${folder} away to start over`,
      )
    }
  }
  const row = importing ? undefined : newReplicaRow(replica, { pipeline, isImport })
  const salt = randomBytes(16)
  const meta: Meta = {
    format: FORMAT,
    sluice: readVersion(),
    pipeline,
    generation: randomBytes(4).toString('hex'),
    hashKey: importing?.hashKey ?? (replica.key?.hashKey ?? randomBytes(HASH_KEY_BYTES)).toString('hex'),
    salt: salt.toString('hex'),
    fingerprint: await take(salt),
    ...(row && { replica: row }),
    ...(importing && { importing: importing.id }),
  }
  await transact(db, folder, () => put(db, 'meta', meta))
  return meta
}

function checkPipeline(meta: Meta, { pipeline }: StateOptions): void {
  if (meta.pipeline === pipeline) return
  throw new SluiceError('STATE_MISMATCH', `the state belongs to the pipeline ${meta.pipeline}, not to ${pipeline}`)
}

function checkFingerprint(meta: Meta, { pipeline }: StateOptions, now: Fingerprint): void {
  const changed = differences(meta.fingerprint, now)
  if (changed.length === 0) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `the configuration has changed since the state was created: ${changed.join(', ')}. Records that are read again would be written again`,
    {
      hint: `undo the change, or accept it with \`sluice state accept ${pipeline}\`, or start over with \`sluice state reset ${pipeline}\``,
    },
  )
}

/** Of the digests in the fingerprint. */
export function saltOf({ salt }: Meta): Buffer {
  return Buffer.from(salt, 'hex')
}
