/** The width of ASCII text in a terminal, without escape sequences. Stands in for `string-width`. */
export default function plainWidth(text) {
  return text.length
}
