/*
 * The file of `sluice state export`: what another state needs to continue the work of this one.
 *
 * Lines of JSON, and after the line of a dedup bucket or of a file its bytes:
 *
 *     {"type":"sluice-state-export","version":2,…}   the header
 *     {"tenant":{…}}                                 a source partition, with its position
 *     {"bucket":{"name":"d20512","bytes":160,…}}     then 160 bytes: 10 entries of a dedup bucket
 *     {"file":{"name":"3.ndjson","bytes":700,…}}     then 700 bytes: a file of rejects
 *     {"outbox":{"name":"3-0","bytes":900}}          then 900 bytes: an object that waits for upload
 *     {"row":{…}}                                    another row of a whole state
 *     {"end":{"mac":"…"}}                            the last line
 *
 * `mac` is HMAC-SHA256 of all bytes before the last line, keyed with the hash key of the dedup keys:
 * it shows that the file is complete and unchanged, and was made by a replica of the same pipeline.
 * Replicas have the hash key from SLUICE_SHARD_KEY, so their exports do not contain it. The export of
 * a whole state does. Only this user can read the file.
 *
 * Rows are those of the state format in the header: an older one is migrated after the import. Version 1 has no
 * objects that wait, and no count of forgotten ones.
 *
 * It is written under a temporary name, synced, and renamed: a file with the right name is complete.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Hmac } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asSluiceError, SluiceError, systemCode } from '../../errors.ts'
import { fsyncPath } from '../../files.ts'
import type { Fingerprint } from '../state/fingerprint.ts'
import type {
  ConnectedRow,
  DedupBucketRow,
  ForgottenRow,
  HistoryRow,
  ChangeRow,
  LocalRejectsRow,
  MovedRow,
  ObjectRow,
  ReplicaRow,
  StoreRow,
  RejectCounts,
} from '../state/rows.ts'
import type { Tally } from '../tally.ts'

export const EXPORT_VERSION = 2

export interface ExportHeader {
  readonly type: 'sluice-state-export'
  readonly version: number
  /** Of the state, see `checkFormat`. */
  readonly format: number
  /** See `Meta`. */
  readonly sluice?: string
  readonly id: string
  readonly pipeline: string
  /** Type of the source, which is the prefix of its source partitions. */
  readonly source: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The replica that moves tenants, and the new count; absent for a whole state. */
  readonly from?: Pick<ReplicaRow, 'number' | 'count'>
  readonly to?: number
  /** True for a backup: the state that was exported continues. */
  readonly isCopy?: true
  /** Shows whether another state has the same hash key, without giving it away. */
  readonly keyCheck: string
  /** In hex; of a whole state only. */
  readonly hashKey?: string
  readonly salt: string
  readonly fingerprint: Fingerprint
}

/** A row that only the export of a whole state has. */
export type ExportedRow =
  | {
      readonly kind: 'totals'
      readonly epoch: number
      readonly shardRuns: number
      readonly committedAt?: number | undefined
      readonly tally: Tally
      readonly rejectCounts: RejectCounts
      readonly replica?: ReplicaRow | undefined
    }
  | { readonly kind: 'history'; readonly value: HistoryRow }
  | { readonly kind: 'forgotten'; readonly value: ForgottenRow }
  | { readonly kind: 'object'; readonly value: ObjectRow }
  | { readonly kind: 'store'; readonly value: StoreRow }
  | { readonly kind: 'connected'; readonly value: ConnectedRow }
  | { readonly kind: 'change'; readonly value: ChangeRow }

/** Bytes that follow a line. */
export interface Section {
  readonly name: string
  readonly bytes: number
}

export interface BucketSection extends Section {
  /** CRC-32 of the bytes. */
  readonly crc: number
  readonly permanent?: true
}

interface FileSection extends Section {
  readonly row: LocalRejectsRow
}

interface ExportLine {
  readonly tenant?: MovedRow
  readonly bucket?: BucketSection
  readonly file?: FileSection
  readonly outbox?: Section
  readonly row?: ExportedRow
  readonly end?: { readonly mac: string }
}

/** A section, and where its bytes are in the file. */
export type Placed<S extends Section> = S & { readonly at: number }

export interface ExportContent {
  readonly header: ExportHeader
  readonly tenants: readonly MovedRow[]
  readonly buckets: readonly Placed<BucketSection>[]
  readonly files: readonly Placed<FileSection>[]
  readonly outbox: readonly Placed<Section>[]
}

export function keyCheckOf(hashKey: Buffer): string {
  return createHmac('sha256', hashKey).update('sluice hash key').digest('hex').slice(0, 32)
}

export function bucketSection({ name, length, crc, permanent }: DedupBucketRow): BucketSection {
  return { name, bytes: length, crc, ...(permanent && { permanent }) }
}

/** Writes an export. Close it, or abandon it. @throws SluiceError DISK_FULL, DISK_FAILED, USAGE */
export class ExportWriter {
  readonly #path: string
  readonly #temporary: string
  readonly #file: FileHandle
  readonly #mac: Hmac
  #at = 0

  static async open(path: string, header: ExportHeader, hashKey: Buffer): Promise<ExportWriter> {
    const temporary = `${path}.${header.id}.tmp`
    return writing(path, async () => {
      await rm(temporary, { force: true })
      const writer = new ExportWriter(path, temporary, await open(temporary, 'wx', 0o600), hashKey)
      await writer.#line(header)
      return writer
    })
  }

  private constructor(path: string, temporary: string, file: FileHandle, hashKey: Buffer) {
    this.#path = path
    this.#temporary = temporary
    this.#file = file
    this.#mac = createHmac('sha256', hashKey)
  }

  async tenant(tenant: MovedRow): Promise<void> {
    await this.#line({ tenant })
  }

  async row(row: ExportedRow): Promise<void> {
    await this.#line({ row })
  }

  async section(line: Pick<ExportLine, 'bucket' | 'file' | 'outbox'>, bytes: AsyncIterable<Buffer>): Promise<void> {
    await this.#line(line)
    for await (const part of bytes) await this.#write(part)
  }

  /** Completes the file, and makes it durable under its name. */
  async finish(): Promise<void> {
    const mac = this.#mac.digest('hex')
    await writing(this.#path, async () => {
      await this.#file.write(`${JSON.stringify({ end: { mac } } satisfies ExportLine)}\n`, this.#at)
      await this.#file.sync()
      await this.#file.close()
      await rename(this.#temporary, this.#path)
      await fsyncPath(dirname(this.#path))
    })
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await rm(this.#temporary, { force: true })
  }

  #line(line: ExportHeader | ExportLine): Promise<void> {
    return this.#write(Buffer.from(`${JSON.stringify(line)}\n`))
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#mac.update(bytes)
    await writing(this.#path, async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#at)
        done += bytesWritten
        this.#at += bytesWritten
      }
    })
  }
}

async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new SluiceError(
        'DISK_FULL',
        `cannot write ${path}: the disk is full; free some space and give the command again`,
        { cause: error },
      )
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR')
      throw new SluiceError('USAGE', `cannot write ${path}: ${code}`, { hint: 'name a file in a folder that exists' })
    throw asSluiceError(error, 'DISK_FAILED', `cannot write ${path}`)
  }
}

/** Reads an export. */
export class ExportReader {
  readonly path: string
  readonly header: ExportHeader
  readonly #file: FileHandle
  readonly #bodyAt: number

  /** Reads the header only. @throws SluiceError EXPORT_INVALID, FILE_NOT_FOUND, STATE_MISMATCH for another version */
  static async open(path: string): Promise<ExportReader> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw new SluiceError('FILE_NOT_FOUND', `cannot open ${path}: ${systemCode(cause) ?? String(cause)}`, { cause })
    })
    try {
      const { text, next } = await readLine(file, 0, path)
      const header = parse(text)
      if (!isHeader(header)) throw invalid(path, 'is not an export of a state')
      if (header.version < 1 || header.version > EXPORT_VERSION) throw otherVersion(header, path)
      return new ExportReader(path, header, file, next)
    } catch (error) {
      await file.close()
      throw asSluiceError(error, 'EXPORT_INVALID', `${path} cannot be read`)
    }
  }

  private constructor(path: string, header: ExportHeader, file: FileHandle, bodyAt: number) {
    this.path = path
    this.header = header
    this.#file = file
    this.#bodyAt = bodyAt
  }

  /**
   * Reads all of it once, and checks it. Nothing of an export may be used before.
   * @throws SluiceError EXPORT_INVALID
   */
  async check(hashKey: Buffer): Promise<ExportContent> {
    const mac = createHmac('sha256', hashKey)
    await this.#digest(mac, 0, this.#bodyAt)
    const tenants: MovedRow[] = []
    const buckets: Placed<BucketSection>[] = []
    const files: Placed<FileSection>[] = []
    const outbox: Placed<Section>[] = []
    for await (const { line, at, next, end } of this.#lines()) {
      if (line.end) {
        const found = Buffer.from(line.end.mac, 'hex')
        const wanted = mac.digest()
        if (found.length !== wanted.length || !timingSafeEqual(found, wanted)) throw invalid(this.path, 'is damaged')
        return { header: this.header, tenants, buckets, files, outbox }
      }
      if (line.tenant) tenants.push(line.tenant)
      if (line.bucket) buckets.push({ ...line.bucket, at: next })
      if (line.file) files.push({ ...line.file, at: next })
      if (line.outbox) outbox.push({ ...line.outbox, at: next })
      await this.#digest(mac, at, end)
    }
    throw invalid(this.path, 'is incomplete')
  }

  /** The other rows of a whole state, one at a time: there can be millions. Call `check` first. */
  async *rows(): AsyncGenerator<ExportedRow, void> {
    for await (const { line } of this.#lines()) if (line.row) yield line.row
  }

  /** All lines, to the last one: where a line begins, where the bytes after it begin, and where they end. */
  async *#lines(): AsyncGenerator<{ line: ExportLine; at: number; next: number; end: number }, void> {
    for (let at = this.#bodyAt; ;) {
      const { text, next } = await readLine(this.#file, at, this.path)
      const line = parse(text)
      if (!isLine(line)) throw invalid(this.path, 'is damaged')
      const end = next + ((line.bucket ?? line.file ?? line.outbox)?.bytes ?? 0)
      yield { line, at, next, end }
      if (line.end) return
      at = end
    }
  }

  /** The bytes of a section. The buffer is overwritten by the next ones. */
  async *bytes({ at, bytes }: Placed<Section>): AsyncGenerator<Buffer, void> {
    yield* read(this.#file, at, at + bytes, this.path)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async #digest(mac: Hmac, start: number, end: number): Promise<void> {
    for await (const bytes of read(this.#file, start, end, this.path)) mac.update(bytes)
  }
}

const READ_BYTES = 1 << 20
/** A line holds a position or a row. */
const MAX_LINE = 64 << 20

async function* read(file: FileHandle, start: number, end: number, path: string): AsyncGenerator<Buffer, void> {
  const buffer = Buffer.alloc(Math.min(READ_BYTES, Math.max(0, end - start)))
  for (let at = start; at < end;) {
    const wanted = Math.min(buffer.length, end - at)
    const { bytesRead } = await file.read(buffer, 0, wanted, at)
    if (bytesRead === 0) throw invalid(path, 'is incomplete')
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

async function readLine(file: FileHandle, start: number, path: string): Promise<{ text: string; next: number }> {
  const parts: Buffer[] = []
  const buffer = Buffer.alloc(LINE_BYTES)
  for (let at = start; at < start + MAX_LINE;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) break
    const end = buffer.subarray(0, bytesRead).indexOf(0x0a)
    parts.push(Buffer.from(buffer.subarray(0, end < 0 ? bytesRead : end)))
    if (end >= 0) return { text: Buffer.concat(parts).toString(), next: at + end + 1 }
    at += bytesRead
  }
  throw invalid(path, start === 0 ? 'is not an export of a state' : 'is incomplete')
}

const LINE_BYTES = 16 << 10

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function otherVersion({ version, sluice = 'a newer Sluice' }: ExportHeader, path: string): SluiceError {
  return new SluiceError(
    'STATE_MISMATCH',
    `${path} has version ${version}, this Sluice supports versions 1 to ${EXPORT_VERSION}`,
    { hint: `it was written by ${sluice}: import it with that version or a later one` },
  )
}

function isHeader(value: unknown): value is ExportHeader {
  if (typeof value !== 'object' || value === null) return false
  const { type, id, hashKey, version }: { readonly [name: string]: unknown } = { ...value }
  if (type !== 'sluice-state-export' || typeof id !== 'string' || typeof version !== 'number') return false
  return hashKey === undefined || (typeof hashKey === 'string' && /^[0-9a-f]{32}$/.test(hashKey))
}

function isLine(value: unknown): value is ExportLine {
  if (typeof value !== 'object' || value === null) return false
  const { bucket, file, outbox, end }: { readonly [name: string]: unknown } = { ...value }
  if (end !== undefined) return typeof end === 'object' && end !== null && 'mac' in end && typeof end.mac === 'string'
  return [bucket, file, outbox].every((section) => {
    if (section === undefined) return true
    if (typeof section !== 'object' || section === null || !('bytes' in section)) return false
    return Number.isSafeInteger(section.bytes) && Number(section.bytes) >= 0
  })
}

function invalid(path: string, what: string): SluiceError {
  return new SluiceError('EXPORT_INVALID', `${path} ${what}: nothing was imported from it`, {
    hint: 'copy it again; or write it again with `sluice state export` in the state that it comes from',
  })
}
