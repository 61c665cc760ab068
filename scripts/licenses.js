import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Names of files with a licence, or with a notice that goes with it. */
const NAMES = /^(licen[cs]e|notice|copying)/i

/**
 * The licences of the packages that these modules belong to, as one text. Most licences want to be
 * included in copies of the code, and a bundle is one.
 */
export async function licensesOf(moduleIds) {
  const folders = new Set(moduleIds.flatMap((id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []))
  const packagesByText = new Map()
  for (const folder of [...folders].toSorted()) {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    const files = (await readdir(folder)).filter((file) => NAMES.test(file)).toSorted()
    const texts = await Promise.all(files.map(async (file) => (await readFile(join(folder, file), 'utf8')).trim()))
    if (license === undefined && texts.length === 0) throw new Error(`${name} ${version} has no licence`)
    const text = texts.join('\n\n')
    packagesByText.set(text, [...(packagesByText.get(text) ?? []), `${name} ${version} (${license ?? 'see below'})`])
  }
  const sections = [...packagesByText].map(([text, packages]) => `${packages.join('\n')}\n\n${text}`.trim())
  const head = 'The files in this folder contain code of these packages.'
  return `${[head, ...sections].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}
