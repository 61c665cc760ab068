/*
 * The owner's end of the socket of a state. A connection carries one request, a line of JSON, and its
 * answer: lines of JSON, the last of which is `end` or `error`. Whoever connects and says nothing, as
 * `isHeld` does, costs nothing. No peer can hold up the run: nothing waits for it, and what it does not
 * read in time is dropped.
 */
import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { hideInJson } from '../../observe/secrets.ts'
import { isObject } from '../../record/json/json.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { anySignal } from '../../signals.ts'
import type { ControlReply, ControlRequests } from './control-requests.ts'
import { CONTROL_VERSION, parseLine } from './protocol.ts'

export interface ControlServer {
  readonly accept: (socket: Socket) => void
  /** Ends the answers that are under way. Waits a moment for peers that still read. */
  close(): Promise<void>
}

export function serveControl(requests: ControlRequests): ControlServer {
  const open = new Map<Socket, Promise<void>>()
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  const accept = (socket: Socket): void => {
    // A peer does not keep the process alive.
    socket.unref()
    // A peer that is gone: `close` follows.
    socket.on('error', () => undefined)
    if (open.size >= MAX_CONNECTIONS) {
      finish(socket, errorLine(new SluiceError('UNSUPPORTED', `${MAX_CONNECTIONS} connections are open`)))
      return
    }
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => {
        open.delete(socket)
        resolve()
      })
    })
    open.set(socket, closed)
    void serve(socket, requests, closing.signal)
  }
  return {
    accept,
    async close() {
      closing.abort()
      const timer = setTimeout(() => {
        for (const socket of open.keys()) socket.destroy()
      }, CLOSE_TIMEOUT)
      await Promise.all(open.values())
      clearTimeout(timer)
    },
  }
}

/** More than all windows of one operator. */
const MAX_CONNECTIONS = 16
/** Milliseconds that the end of a run waits for peers to read what was sent to them. */
const CLOSE_TIMEOUT = 250
/** Bytes of a request. */
const MAX_REQUEST = 64 << 10
/** Milliseconds from the connection to the end of the request. */
const REQUEST_TIMEOUT = 5_000
/** Bytes that wait for a slow peer. What comes after them is dropped. */
const MAX_WAITING = 1 << 20
/** Milliseconds between empty lines for a peer that has closed its own direction. */
const PROBE_INTERVAL = 250
/** Milliseconds after which a peer is given up that reads nothing of what waits for it. */
const STALL_TIMEOUT = 60_000

async function serve(socket: Socket, requests: ControlRequests, closing: AbortSignal): Promise<void> {
  try {
    const line = await readLine(socket, closing)
    if (line === undefined) {
      socket.destroy()
      return
    }
    const { request, command } = parseRequest(line)
    const handler = requests.get(command)
    if (handler === undefined) throw unknownCommand(command, requests.commands)
    await handler(request, replyTo(socket, closing))
    finish(socket, `${JSON.stringify({ kind: 'end', reason: closing.aborted ? 'closing' : 'done' })}\n`)
  } catch (error) {
    finish(socket, errorLine(error))
  }
}

/**
 * The first line that the peer sends; undefined if it sends none in time.
 * @throws SluiceError USAGE if it is too long
 */
async function readLine(socket: Socket, closing: AbortSignal): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  let end = -1
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      clearTimeout(timer)
      closing.removeEventListener('abort', stop)
      socket.off('data', take).off('end', stop).off('close', stop)
      // The rest is of no interest, but must be read: otherwise the end of the peer is not seen.
      socket.resume()
      resolve()
    }
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
      const at = chunk.indexOf(LINE_FEED)
      if (at >= 0) end = length + at
      length += chunk.length
      if (end >= 0 || length > MAX_REQUEST) stop()
    }
    const timer = setTimeout(stop, REQUEST_TIMEOUT).unref()
    closing.addEventListener('abort', stop)
    // At its end, a line may be without its line feed, as `printf` makes it.
    socket.on('data', take).on('end', stop).on('close', stop)
    if (closing.aborted) stop()
  })
  if (end > MAX_REQUEST || (end < 0 && length > MAX_REQUEST))
    throw new SluiceError('USAGE', `the request is longer than ${MAX_REQUEST} bytes`)
  const isComplete = end >= 0 || socket.readableEnded
  return isComplete && length > 0 ? Buffer.concat(chunks).toString('utf8', 0, end < 0 ? length : end) : undefined
}

const LINE_FEED = 10

/** @throws SluiceError USAGE, UNSUPPORTED */
function parseRequest(line: string): { request: JsonObject; command: string } {
  const request = parseLine(line)
  if (!isObject(request)) throw new SluiceError('USAGE', 'the request is not an object in JSON on one line')
  const { version, command } = request
  if (version !== CONTROL_VERSION)
    throw new SluiceError('UNSUPPORTED', `this process answers requests of version ${CONTROL_VERSION} only`, {
      hint: 'watch it with the version of Sluice that runs it',
    })
  if (typeof command !== 'string') throw new SluiceError('USAGE', 'the request names no command')
  return { request, command }
}

function unknownCommand(command: string, known: readonly string[]): SluiceError {
  const hint = known.length > 0 ? `it answers ${known.join(', ')}` : 'it holds the state for maintenance, and is no run'
  return new SluiceError('UNSUPPORTED', `this process does not answer ${JSON.stringify(command.slice(0, 40))}`, {
    hint,
  })
}

function replyTo(socket: Socket, closing: AbortSignal): ControlReply {
  const left = new AbortController()
  socket.once('close', () => left.abort())
  if (socket.destroyed) left.abort()
  socket.setTimeout(STALL_TIMEOUT, () => {
    if (socket.writableLength > 0) socket.destroy()
  })
  const gone = anySignal(left.signal, closing)
  // A peer that says nothing more may still read, or be gone: only a write finds out.
  const probe = (): void => void socket.write('\n')
  const watch = (): void => {
    const timer = setInterval(probe, PROBE_INTERVAL).unref()
    gone.addEventListener('abort', () => clearInterval(timer))
  }
  if (socket.readableEnded) watch()
  else socket.once('end', watch)
  let dropped = 0
  return {
    gone,
    send(data) {
      if (left.signal.aborted || socket.destroyed) return false
      if (socket.writableLength >= MAX_WAITING) {
        dropped++
        return false
      }
      if (dropped > 0) socket.write(`${JSON.stringify({ kind: 'dropped', messages: dropped })}\n`)
      dropped = 0
      socket.write(`${JSON.stringify({ kind: 'data', data })}\n`)
      return true
    },
  }
}

function errorLine(thrown: unknown): string {
  const { code, message, hint } = asSluiceError(thrown, 'INTERNAL', 'the request failed')
  return `${JSON.stringify(hideInJson({ kind: 'error', error: { code, message, ...(hint !== undefined && { hint }) } }))}\n`
}

/** Sends the last line. The peer can read it after the socket is closed. */
function finish(socket: Socket, line: string): void {
  if (socket.destroyed) return
  socket.resume()
  socket.end(line, () => socket.destroy())
}
