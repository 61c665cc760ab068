import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { parse } from 'yaml'
import { startS3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { freePort } from '../support/listen.ts'
import { REPOSITORY } from '../support/paths.ts'

const FOLDER = join(REPOSITORY, 'deploy')

interface Service {
  readonly image: string
  readonly command?: string
  readonly environment?: { readonly [name: string]: string }
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: object
  readonly restart: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
}

interface ComposeFile {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: { readonly [name: string]: unknown }
}

async function readLive(): Promise<ComposeFile> {
  return parse(await readFile(join(FOLDER, 'compose.live.yaml'), 'utf8'), { merge: true })
}

test('each service of live collection has a fixed image, no rights, a read-only root and a health check', async () => {
  const { services } = await readLive()
  assert.deepEqual(Object.keys(services), ['sluice', 's3', 'bucket', 'prometheus', 'grafana'])
  for (const [name, service] of Object.entries(services)) {
    assert.match(service.image, /:v?[\w.-]*\d[\w.-]*$|\$\{SLUICE_IMAGE/, name)
    assert.equal(service.read_only, true, name)
    assert.deepEqual([service.cap_drop, service.security_opt], [['ALL'], ['no-new-privileges:true']], name)
    // That of the pipeline is in its image; what makes the bucket only ends.
    if (name !== 'sluice' && name !== 'bucket') assert.ok(service.healthcheck, name)
  }
})

test('ports of live collection are published on the loopback interface only, and no secret is in the file', async () => {
  const { services } = await readLive()
  const ports = Object.values(services).flatMap((service) => service.ports ?? [])
  assert.equal(ports.length, 4)
  for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
  for (const { environment = {} } of Object.values(services))
    for (const [name, value] of Object.entries(environment))
      if (/KEY|PASSWORD|USER$/.test(name)) assert.match(value, /^\$\{\w+:\?/, name)
})

test('what is mounted exists, and each volume is used', async () => {
  const { services, volumes } = await readLive()
  const mounts = Object.values(services).flatMap((service) => service.volumes ?? [])
  const used = new Set<string>()
  for (const mount of mounts) {
    const [from = '', to = '', mode] = mount.split(':')
    if (from.startsWith('./')) assert.ok(existsSync(join(FOLDER, from)) && mode === 'ro', mount)
    else used.add(from)
    assert.match(to, /^\//)
  }
  assert.deepEqual([...used].toSorted(), Object.keys(volumes).toSorted())
})

test('the command of live collection shows its metrics, and writes into the store of the file', async (t) => {
  const { services } = await readLive()
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  await cp(join(REPOSITORY, 'template'), workspace.folder, { recursive: true })
  const port = await freePort()
  const command = (services['sluice']?.command ?? '').replaceAll('${PIPELINE:-events}', 'events')
  const args = command.replace('/state', 'state').replace('0.0.0.0:9464', `127.0.0.1:${port}`).split(' ')
  const running = workspace.start(args, { env: { ...s3Environment(s3), SLUICE_BUCKET: 'audit' } })
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    return (await response?.text()) ?? ''
  }
  while (!/^sluice_stage_records_in_total\{.*stage="delivery"\} [1-9]/m.test(await scrape()))
    assert.equal(await Promise.race([running.ended, sleep(50)]), undefined, running.output.stderr)
  const exposition = await scrape()
  for (const name of await ofProcess()) assert.match(exposition, new RegExp(`^${name}[ {]`, 'm'))
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 130)
  assert.ok(s3.objects('audit').size > 0)
})

/** Metrics of Node.js and of the process that alerts and dashboard use. */
async function ofProcess(): Promise<Set<string>> {
  const paths = ['prometheus/alerts.yaml', 'grafana/dashboard.json']
  const texts = await Promise.all(paths.map((path) => readFile(join(FOLDER, path), 'utf8')))
  return new Set(texts.join().match(/\bsluice_(nodejs|process)_\w+/g))
}
