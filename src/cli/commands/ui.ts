import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { ArgumentsCamelCase } from 'yargs'
import { SluiceError } from '../../errors.ts'
import { isEveryAddress, isLoopback } from '../../network/tls.ts'
import { print, say } from '../../observe/output.ts'
import { readVersion } from '../../package.ts'
import type { CommandDefinition } from '../command.ts'
import { stateOption } from '../options.ts'
import { readGiven, readServerToken } from '../server-token.ts'
import { stopOnSignals } from '../signals.ts'
import { checkPort } from '../ui-options.ts'

interface UiArguments {
  state: string
  host: string
  port: number
  name: string[] | undefined
  open: boolean
  edit: boolean
  'token-file': string | undefined
  'tls-cert': string | undefined
  'tls-key': string | undefined
  insecure: boolean
}

export const command: CommandDefinition<UiArguments> = {
  builder: (parser) =>
    parser
      .option('state', stateOption)
      .option('open', { type: 'boolean', default: false, describe: 'Open the page in a browser' })
      .option('edit', {
        type: 'boolean',
        default: false,
        describe: 'Also change pipeline files, try what is typed, and replay rejects',
      })
      .option('host', { type: 'string', default: '127.0.0.1', requiresArg: true, describe: 'Address to listen on' })
      .option('port', { type: 'number', default: 0, requiresArg: true, describe: 'Port; 0 takes any that is free' })
      .option('name', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'Further name by which a browser reaches the page, perhaps with a port',
      })
      .option('token-file', { type: 'string', requiresArg: true, describe: 'File with a token for scripts' })
      .option('tls-cert', { type: 'string', requiresArg: true, describe: 'Certificate (PEM) of the page' })
      .option('tls-key', { type: 'string', requiresArg: true, describe: 'Private key (PEM) of the page' })
      .option('insecure', {
        type: 'boolean',
        default: false,
        describe: 'Serve other machines without TLS, for example behind a proxy',
      })
      .example('$0 ui --open', 'look at the pipelines of this folder')
      .example('$0 ui --open --edit', 'and work on them')
      .example('$0 ui --host 10.0.0.7 --port 8443 --tls-cert page.pem --tls-key page.key', 'from another machine'),
  handler: ui,
}

type Given = ArgumentsCamelCase<UiArguments>

async function ui(args: Given): Promise<void> {
  const { host, port, state, open, edit, tokenFile } = args
  checkPort('--port', port)
  const names = (args.name ?? []).map(checkName)
  if (isEveryAddress(host) && names.length === 0)
    throw new SluiceError('USAGE', `--host ${host}: requests are answered for known names only`, {
      hint: 'add --name with the name or address that is typed into the browser',
    })
  const tls = await readTls(args)
  if (tls === undefined && !args.insecure && !isLoopback(host))
    throw new SluiceError('USAGE', `--host ${host}: other machines could read what is sent, and the token`, {
      hint: 'add --tls-cert and --tls-key, or --insecure if a proxy encrypts it',
    })
  const token = tokenFile === undefined ? undefined : await readServerToken('--token-file', tokenFile)
  const { serveUi } = await import('../../ui/server.ts')
  const server = await serveUi({
    root: process.cwd(),
    states: resolve(state),
    address: { host, port, names, written: `--host ${host} --port ${port}` },
    tls,
    edit,
    token,
    version: readVersion(),
  })
  const signals = stopOnSignals(() => undefined)
  try {
    print(server.url)
    say('This address works once. Ctrl-C ends the page; runs are not touched.')
    if (!server.hasPage) say('The page is not built in this checkout: run `npm run build`. The API is there.')
    if (open) openBrowser(server.url)
    if (!signals.stop.aborted) await once(signals.stop, 'abort')
  } finally {
    await server.close()
    signals.forget()
  }
}

/** @throws SluiceError USAGE */
function checkName(name: string): string {
  if (/^([a-z\d][a-z\d.-]*|\[[\da-f:.]+\])(:\d{1,5})?$/i.test(name)) return name
  throw new SluiceError('USAGE', `--name ${name} is no name of a machine`, {
    hint: 'give what the browser shows after ://, for example sluice.example or localhost:9000',
  })
}

async function readTls({ tlsCert, tlsKey }: Given): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined)
    throw new SluiceError('USAGE', 'TLS needs both --tls-cert and --tls-key')
  return { cert: await readGiven('--tls-cert', tlsCert), key: await readGiven('--tls-key', tlsKey) }
}

/** With the program of the platform. Without one, the printed address is still there. */
function openBrowser(url: string): void {
  const [program, ...args] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open']
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true })
  child.on('error', () => say('There is no browser that can be opened from here: open the address yourself.'))
  child.unref()
}
