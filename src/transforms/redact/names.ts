import { FEATURE_NAMES, ONLY_SPEAKS, QUESTION_WORDS, SECRET_NAMES, SPEAKING_WORDS, VALUE_WORDS } from './name-table.ts'

/**
 * Whether a name (a key, the name of a header, the field of a change) says that its value is a
 * secret.
 *
 * The name is cut into words, at blanks, punctuation and changes of case: `X-Api-Key`, `apiKey` and
 * `API key` are the words `api key`. Words are compared as a whole, so `footprint` and `secretary`
 * contain no secret name. A name is secret if it ends in a secret name of the table. If words
 * follow, the last one decides: `password_hash` is a password, `password_policy` only speaks of one.
 * An unknown word after a strong name (`password`, `token`) leaves it secret.
 */
export function isSecretName(name: string): boolean {
  const words = withoutList(wordsOf(name))
  if (words.length === 0 || words.length > MAX_WORDS) return false
  // `passWord` is two words, and yet one.
  return (words.length === 2 && STRONG.has(name.toLowerCase())) || areSecret(words)
}

function areSecret(words: readonly string[]): boolean {
  if (isSpeaking(words) || isAbout(words)) return false
  let end = words.length
  while (end > 1 && (VALUES.has(words[end - 1]) || DIGITS.test(words[end - 1])) && !endsInSecret(words.slice(0, end)))
    end--
  const core = words.slice(0, end)
  if (core.length === 1 && WHOLE.has(core[0])) return true
  if (endsInSecret(core)) return true
  if (end < words.length || SPEAKING.has(core[end - 1]) || LEADING.has(core[0])) return false
  const strong = core.findIndex((_, at) => endsInStrong(core.slice(0, at + 1)))
  return strong !== -1 && !core.slice(strong).some((word) => LATER.has(word))
}

/** Whether a member of an object of secrets only describes them: its id, its kind, its dates. */
export function isDescribing(name: string): boolean {
  const words = withoutList(wordsOf(name))
  if (words.length === 0 || words.length > MAX_WORDS) return false
  const last = words[words.length - 1]
  // `number_1` is no question.
  const isQuestion = words.length > 1 && LEADING.has(words[0]) && !DIGITS.test(last)
  return (isQuestion || DESCRIBING.has(last)) && !isSecretName(name)
}

/** Whether the name is the name of an identifier. */
export function isIdName(name: string): boolean {
  return ID_WORDS.has(wordsOf(name).at(-1) ?? '')
}

/** Cuts a name into lower-case words in the singular. */
export function wordsOf(name: string): string[] {
  if (name.length > MAX_NAME) return []
  return (
    name
      .normalize('NFKC')
      .replaceAll('OAuth', 'Oauth')
      // CloudTrail writes the first letter small: `qRCodePNG`.
      .replace(/^\p{Ll}(?=\p{Lu}{2})/u, (first) => first.toUpperCase())
      .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
      .replaceAll(/(\p{Lu}+)(\p{Lu}\p{Ll})/gu, '$1 $2')
      .replaceAll(/(\p{L}{3,})(\d)/gu, '$1 $2')
      .toLowerCase()
      .split(/[^\p{L}\p{M}\d]+/u)
      .filter((word) => word !== '')
      .map(singular)
  )
}

/** A list of ids is no more secret than an id, and a map of passwords no less than a password. */
function withoutList(words: string[]): string[] {
  while (words.length > 1 && LISTS.has(words[words.length - 1])) words.pop()
  return words
}

function singular(word: string): string {
  if (word === 'authorizations') return word
  if (word === 'ids') return 'id'
  // `cookie` and `cookies`, `policy` and `policies` become the same word.
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`
  if (word.length > 4 && word.endsWith('ie')) return `${word.slice(0, -2)}y`
  return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') && !word.endsWith('us')
    ? word.slice(0, -1)
    : word
}

const MAX_NAME = 128
/** More words are a sentence, not a name. */
const MAX_WORDS = 10
const LISTS = new Set(['list', 'map', 'array', 'override'])
const DIGITS = /^\d+$/
const ID_WORDS = new Set(['id', 'uuid', 'guid', 'arn'])

const LEADING = new Set(QUESTION_WORDS.first.split(' ').map(singular))
const LATER = new Set(QUESTION_WORDS.later.split(' ').map(singular))
const PREPOSITIONS = new Set(['of', 'from', 'for', 'with', 'by'])
const VALUES = new Set(VALUE_WORDS.words.split(' ').map(singular))
const SPEAKING = new Set(SPEAKING_WORDS.flatMap(({ words }) => words.split(' ').map(singular)))
/** The same, of members of an object of secrets. */
const DESCRIBING = new Set(
  SPEAKING_WORDS.filter(({ membersStay }) => membersStay !== false).flatMap(({ words }) =>
    words.split(' ').map(singular),
  ),
)
const FEATURES = FEATURE_NAMES.names.split(', ').map((name) => wordsOf(name).join(' '))
const SPEAKING_TERMS = termsOf(ONLY_SPEAKS)
const SECRET = termsOf(SECRET_NAMES.filter(({ as }) => as !== 'whole'))
const STRONG = termsOf(SECRET_NAMES.filter(({ as }) => as === 'strong'))
const WHOLE = new Set(SECRET_NAMES.filter(({ as }) => as === 'whole').flatMap(({ names }) => names.split(', ')))
/** Strong names that are also found at the end of a longer word: `dbpassword`, `accesstoken`. */
const ENDINGS = /(?:password|passwd|passphrase|passcode|secret|token|apikey|privatekey|accesskey|secretkey|credential)$/

/** Names as words in the singular, and each name of several words also written as one word. */
function termsOf(list: readonly { readonly names: string }[]): ReadonlySet<string> {
  const terms = list.flatMap(({ names }) => names.split(', ')).map((name) => wordsOf(name).join(' '))
  return new Set(terms.flatMap((term) => [term, term.replaceAll(' ', '')]))
}

function isSpeaking(words: readonly string[]): boolean {
  const name = ` ${words.join(' ')} `
  return endsIn(words, SPEAKING_TERMS) || FEATURES.some((feature) => name.includes(` ${feature} `))
}

/** Whether the secret is only mentioned, after a preposition: `subject_from_token`, `user_with_password`. */
function isAbout(words: readonly string[]): boolean {
  const at = words.findIndex((word) => PREPOSITIONS.has(word))
  return at > 0 && at < words.length - 1 && !VALUES.has(words[at - 1]) && !areSecret(words.slice(0, at))
}

function endsInSecret(words: readonly string[]): boolean {
  if (LEADING.has(words[0]) && words.length > 1) return false
  return endsIn(words, SECRET) || (ENDINGS.test(words.at(-1) ?? '') && !SPEAKING_TERMS.has(words.at(-1) ?? ''))
}

function endsInStrong(words: readonly string[]): boolean {
  return endsIn(words, STRONG) || ENDINGS.test(words.at(-1) ?? '')
}

function endsIn(words: readonly string[], terms: ReadonlySet<string>): boolean {
  let ending = ''
  for (let at = words.length - 1; at >= 0 && at >= words.length - 4; at--) {
    ending = ending === '' ? words[at] : `${words[at]} ${ending}`
    if (terms.has(ending)) return true
  }
  return false
}
