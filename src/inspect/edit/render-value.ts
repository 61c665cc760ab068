import { Document, isCollection, isScalar, isSeq, visit } from 'yaml'
import type { Json } from '../../record/json/json.ts'

/** After the colon of a key. @param indent of the lines below the key */
export function valueText(value: Json | undefined, indent: number, isFlow: boolean): string {
  const text = render(value, indent, isFlow)
  const isBlock = !isFlow && typeof value === 'object' && value !== null && Object.keys(value).length > 0
  return isBlock || text.includes('\n') ? `\n${' '.repeat(indent)}${text}` : ` ${text}`
}

/** YAML whose first line is not indented, and whose others are. */
export function render(value: Json | undefined, indent: number, isFlow: boolean): string {
  const document = new Document(value)
  const width = Math.max(40, LINE - indent)
  visit(document, {
    Collection(_key, node, path) {
      // One line for each record, and for each of its members if it is long; one for a list of single values.
      const isRecord = path.some(isSeq) || (isSeq(document.contents) && path.length > 1)
      const isList = isSeq(node) && path.length > 1 && node.items.every(isScalar)
      if (isFlow || node.items.length === 0) node.flow = true
      else if ((isRecord || isList) && JSON.stringify(node.toJSON()).length < width) node.flow = true
    },
    Scalar(_key, node, path) {
      const isInFlow = path.some((parent) => isCollection(parent) && parent.flow === true)
      if (isInFlow && typeof node.value === 'string' && node.value.includes('\n')) node.type = 'QUOTE_DOUBLE'
    },
  })
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: true, singleQuote: true }).trimEnd()
  const lines = isFlow ? [text.replaceAll(/\n\s*/g, ' ')] : text.split('\n')
  return lines.map((line, i) => (i === 0 || line === '' ? line : ' '.repeat(indent) + line)).join('\n')
}

/** Longest line that a value in braces may make. */
const LINE = 110
