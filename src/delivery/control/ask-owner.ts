import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { hostname } from 'node:os'
import { basename } from 'node:path'
import { isErrorCode, SluiceError, systemCode } from '../../errors.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import type { Owner } from '../state/owner-lock.ts'
import { addressOf } from '../state/socket-address.ts'
import { readState } from '../state/state-reader.ts'
import { CONTROL_VERSION, parseLine } from './protocol.ts'

export interface ControlRequest {
  readonly command: string
  readonly [option: string]: Json
}

export type ControlAnswer =
  | { readonly kind: 'data'; readonly data: Json }
  /** Parts of the answer that were dropped, because this process reads too slowly. */
  | { readonly kind: 'dropped'; readonly messages: number }
  /** The last part. `closing`: the process has ended its run, or is about to. */
  | { readonly kind: 'end'; readonly reason: 'done' | 'closing' }

interface AskOptions {
  /** The pipeline's own state folder. */
  readonly folder: string
  /** For messages. */
  readonly pipeline: string
  /** Ends the answer: nothing more is yielded. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request to the process that owns a state, and yields its answer.
 * @throws SluiceError STATE_NOT_FOUND; NOT_RUNNING if no process owns the state, or if it ends before
 *   its answer does; UNSUPPORTED if it is of another version, or does not know the command; what
 *   it answers with
 */
export async function* askOwner(
  request: ControlRequest,
  { folder, pipeline, signal }: AskOptions,
): AsyncGenerator<ControlAnswer, void> {
  const owner = await readState(folder, (state) => state.owner)
  if (owner === undefined) throw notRunning(pipeline)
  const address = await addressOf(folder, basename(owner.socket))
  const socket = connect(address.path)
  const leave = (): void => void socket.destroy()
  signal?.addEventListener('abort', leave)
  if (signal?.aborted === true) leave()
  try {
    await connected(socket, { pipeline, owner })
    socket.write(`${JSON.stringify({ version: CONTROL_VERSION, ...request })}\n`)
    let isFirst = true
    for await (const line of linesOf(socket)) {
      if (line === '') continue
      isFirst = false
      const answer = parseAnswer(line)
      yield answer
      if (answer.kind === 'end') return
    }
    if (signal?.aborted === true) return
    throw isFirst ? tooOld(owner) : vanished(pipeline, owner)
  } catch (error) {
    if (signal?.aborted === true) return
    // The process was killed, and has not read all of what it was sent.
    throw systemCode(error) === 'ECONNRESET' || systemCode(error) === 'EPIPE' ? vanished(pipeline, owner) : error
  } finally {
    signal?.removeEventListener('abort', leave)
    socket.destroy()
    await address.close()
  }
}

function connected(socket: Socket, { pipeline, owner }: { pipeline: string; owner: Owner }): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('close', () => reject(new SluiceError('INTERRUPTED', 'stopped')))
    socket.once('error', (error) => {
      const code = systemCode(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') return reject(notRunning(pipeline, owner))
      reject(new SluiceError('NOT_RUNNING', `process ${owner.pid} cannot be reached: ${code ?? error.message}`))
    })
  })
}

/** The lines of a socket. One that is not complete is not yielded. */
async function* linesOf(socket: Socket): AsyncGenerator<string, void> {
  let parts: Buffer[] = []
  for await (const chunk of socket) {
    if (!Buffer.isBuffer(chunk)) continue
    let from = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString()
      parts = []
      from = end + 1
    }
    if (from < chunk.length) parts.push(chunk.subarray(from))
  }
}

const LINE_FEED = 10

/** @throws SluiceError what the process answers with; UNSUPPORTED if it is nothing that we know */
function parseAnswer(line: string): ControlAnswer {
  const answer = parseLine(line)
  if (isObject(answer)) {
    const { kind, data, messages, reason, error } = answer
    if (kind === 'data' && data !== undefined) return { kind, data }
    if (kind === 'dropped' && typeof messages === 'number') return { kind, messages }
    if (kind === 'end') return { kind, reason: reason === 'closing' ? reason : 'done' }
    if (kind === 'error' && isObject(error)) throw errorOf(error)
  }
  throw new SluiceError('UNSUPPORTED', 'the process answers in a way that this version of Sluice does not know', {
    hint: 'watch it with the version of Sluice that runs it',
  })
}

function errorOf({ code, message, hint }: JsonObject): SluiceError {
  const known = typeof code === 'string' && isErrorCode(code) ? code : 'INTERNAL'
  return new SluiceError(
    known,
    typeof message === 'string' ? message : 'no reason is given',
    typeof hint === 'string' ? { hint } : {},
  )
}

function notRunning(pipeline: string, owner?: Owner): SluiceError {
  const { host = hostname() } = owner ?? {}
  const last = owner === undefined ? '' : `; process ${owner.pid} was the last`
  if (host === hostname())
    return new SluiceError('NOT_RUNNING', `no process runs ${pipeline} with this state${last}`, {
      hint: 'start it, or name the folder with the state of the process with --state',
    })
  return new SluiceError(
    'NOT_RUNNING',
    `no process of this machine runs ${pipeline} with this state${last}, on ${host}`,
    {
      hint: `a process can be reached on its own machine only: run the command on ${host}, in its container`,
    },
  )
}

function tooOld({ pid }: Owner): SluiceError {
  return new SluiceError('UNSUPPORTED', `process ${pid} does not answer requests: it runs an older version of Sluice`, {
    hint: 'restart it with this version; nothing is lost',
  })
}

function vanished(pipeline: string, { pid }: Owner): SluiceError {
  return new SluiceError('NOT_RUNNING', `process ${pid}, which ran ${pipeline}, has died or does not answer any more`)
}
