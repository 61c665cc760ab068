import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import { asSluiceError, SluiceError } from '../errors.ts'
import { parseDuration } from '../fields/units.ts'
import type { Access } from '../observe/metrics/server.ts'
import { openLog } from '../observe/log.ts'
import { readVersion } from '../package.ts'
import { logChoice } from './log-options.ts'
import type { LogArguments } from './log-options.ts'
import { readServerToken, serverToken } from './server-token.ts'

/** The token that `/metrics` asks for. */
const TOKEN_VARIABLE = 'SLUICE_METRICS_TOKEN'

/** Options of the commands that serve metrics. */
export const metricsOptions = {
  metrics: {
    type: 'string',
    requiresArg: true,
    describe: 'Serve /metrics, /healthz and /readyz at this address, such as 127.0.0.1:9464',
  },
  'metrics-token-file': {
    type: 'string',
    requiresArg: true,
    describe: `File with the token that /metrics asks for; default: the variable ${TOKEN_VARIABLE}`,
  },
  'metrics-open': {
    type: 'boolean',
    default: false,
    describe: 'Serve them without a token also to other machines',
  },
  'metrics-partitions': {
    type: 'number',
    default: 100,
    requiresArg: true,
    describe: 'Source partitions of a pipeline with time series of their own',
  },
  'max-lag': {
    type: 'string',
    requiresArg: true,
    describe: '/readyz fails when what is committed is older than this, such as 15m',
  },
} as const satisfies { [name: string]: Options }

export type MetricsArguments = InferredOptionTypes<typeof metricsOptions>

/** As yargs gives them, with those of the log. */
type Given = ArgumentsCamelCase<MetricsArguments> & LogArguments

/**
 * Does the work of a command while its metrics are served, if they are asked for.
 * @throws SluiceError USAGE before the work if they cannot be
 */
export async function withMetrics(args: Given, work: () => Promise<void>): Promise<void> {
  const served = await serve(args)
  try {
    await work()
  } finally {
    served?.close()
  }
}

async function serve(args: Given): Promise<{ close(): void } | undefined> {
  const { metrics: written, maxLag, metricsPartitions: partitions } = args
  if (written === undefined) return requireAddress(args)
  const access = await accessOf(written, args)
  if (!Number.isInteger(partitions) || partitions < 0 || partitions > MOST_PARTITIONS)
    throw new SluiceError('USAGE', `--metrics-partitions ${partitions} is not a number of source partitions`, {
      hint: `give a whole number from 0 to ${MOST_PARTITIONS}`,
    })
  const lag = maxLag === undefined ? undefined : durationOf(maxLag)
  // The library is large: it is loaded if somebody wants metrics.
  const { openMetrics } = await import('../observe/metrics/open-metrics.ts')
  const { openHealth } = await import('../observe/metrics/open-health.ts')
  const { serveMetrics } = await import('../observe/metrics/server.ts')
  const { reach } = await import('../network/reach.ts')
  const metrics = openMetrics({ partitions, version: readVersion() })
  const health = openHealth({ maxLag: lag, reach })
  const close = (): void => {
    health.close()
    metrics.close()
  }
  try {
    const server = await serveMetrics({ ...access, metrics, health })
    const { note } = await openLog(logChoice(args))
    note('metrics.served', { url: server.url })
    return {
      close() {
        server.close()
        close()
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

const MOST_PARTITIONS = 10_000

function requireAddress({ maxLag, metricsOpen, metricsTokenFile }: Given): undefined {
  const [orphan] = [
    maxLag !== undefined && '--max-lag',
    metricsOpen && '--metrics-open',
    metricsTokenFile !== undefined && '--metrics-token-file',
  ].filter((name) => name !== false)
  if (orphan === undefined) return undefined
  throw new SluiceError('USAGE', `${orphan} is about metrics and health, which are not served`, {
    hint: 'add --metrics 127.0.0.1:9464',
  })
}

/** @throws SluiceError USAGE: other machines would read the metrics without a token */
async function accessOf(written: string, { metricsOpen, metricsTokenFile }: Given): Promise<Access> {
  const { host, port } = parseAddress(written)
  const token = await tokenOf(metricsTokenFile)
  const { isLoopback } = await import('../network/tls.ts')
  if (token === undefined && !metricsOpen && !isLoopback(host))
    throw new SluiceError(
      'USAGE',
      `--metrics ${written}: other machines can reach this address, and there is no token`,
      {
        hint: `set ${TOKEN_VARIABLE}, or --metrics-token-file; or let everybody read them with --metrics-open`,
      },
    )
  return { host, port, written, token }
}

/** `9464`, `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` */
function parseAddress(written: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain = LOOPBACK, digits = ''] =
    /^(?:\[([\da-fA-F:.]+)\]:|([^\s:[\]/]+):)?(\d{1,5})$/.exec(written) ?? []
  const port = Number(digits)
  if (digits !== '' && port < 65_536) return { host: bracketed ?? plain, port }
  throw new SluiceError('USAGE', `--metrics ${written} is not an address`, {
    hint: 'give HOST:PORT, for example 127.0.0.1:9464, or a port of this machine alone',
  })
}

const LOOPBACK = '127.0.0.1'

/** @throws SluiceError USAGE */
async function tokenOf(file: string | undefined): Promise<string | undefined> {
  if (file !== undefined) return readServerToken('--metrics-token-file', file)
  const token = process.env[TOKEN_VARIABLE] || undefined
  return token === undefined ? undefined : serverToken({ place: TOKEN_VARIABLE, token })
}

/** In milliseconds. */
function durationOf(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    const { hint } = asSluiceError(error, 'USAGE', 'a duration')
    throw new SluiceError('USAGE', `--max-lag ${text} is not a duration`, { hint: hint ?? 'for example 15m' })
  }
}
