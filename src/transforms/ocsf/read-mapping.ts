import { isNode, LineCounter, parseDocument } from 'yaml'
import { SluiceError, systemCode } from '../../errors.ts'
import { readSmallFile } from '../../fields/small-file.ts'
import { checkMapping } from './check-mapping.ts'
import type { Fail } from './check-mapping.ts'
import type { Mapping } from './mapping.ts'

/**
 * Reads a mapping file.
 * @throws SluiceError CONFIG_INVALID with the place of the first mistake
 */
export function readMapping(file: string): Mapping {
  const text = readText(file)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const fail: Fail = (keys, message) => {
    let place: number | undefined
    for (let length = keys.length; place === undefined; length--) {
      const node = length === 0 ? document.contents : document.getIn(keys.slice(0, length), true)
      if (isNode(node)) place = node.range?.[0]
      if (length === 0) place ??= 0
    }
    const { line, col } = lines.linePos(place)
    throw new SluiceError('CONFIG_INVALID', `${file}:${line}:${col}: ${message}`)
  }
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new SluiceError(
      'CONFIG_INVALID',
      `${file}:${line}:${col}: not valid YAML: ${error.message.replace(/ at line [^]*/, '')}`,
    )
  }
  return checkMapping(document.toJS({ maxAliasCount: 100 }), fail)
}

const MAX_BYTES = 1 << 20

function readText(file: string): string {
  try {
    const read = readSmallFile(file, MAX_BYTES)
    if ('text' in read) return read.text
    throw new SluiceError('CONFIG_INVALID', `the mapping ${file} ${read.refused}`)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('CONFIG_INVALID', `the mapping ${file} cannot be read: ${systemCode(error)}`)
  }
}
