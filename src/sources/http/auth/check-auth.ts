import type { Finding } from '../../../component.ts'
import { suggest } from '../../../fields/suggest.ts'
import { checkUrl } from '../check.ts'
import type { AuthOptions, HmacAuth } from './fields.ts'
import { placeholdersIn, signedNames } from './hmac.ts'

export function* checkAuth(auth: AuthOptions | undefined, allowInsecure: boolean): Generator<Finding> {
  if (auth === undefined) return
  if (auth.type === 'apiKey' && (auth.header === undefined) === (auth.query === undefined))
    yield { at: ['auth'], message: 'an API key needs exactly one location', hint: 'set header or query' }
  if (auth.type === 'hmac') yield* checkPlaceholders(auth)
  if ('tokenUrl' in auth && /[{}]/.test(auth.tokenUrl))
    yield { at: ['auth', 'tokenUrl'], message: 'tokenUrl has no placeholders', hint: 'write the URL without braces' }
  else if ('tokenUrl' in auth) yield* checkUrl(auth.tokenUrl, ['auth', 'tokenUrl'], allowInsecure)
}

function* checkPlaceholders({ sign, value }: HmacAuth): Generator<Finding> {
  const texts = [
    ['sign', sign, signedNames],
    ['value', value, [...signedNames, 'signature', 'basic']],
  ] as const
  for (const [key, text, names] of texts) {
    for (const name of placeholdersIn(text)) {
      if (!names.some((known) => known === name))
        yield {
          at: ['auth', key],
          message: `unknown placeholder {${name}}`,
          hint: `${suggest(name.trim(), names, 'placeholders')}; write {{ for a literal brace`,
        }
    }
  }
}
