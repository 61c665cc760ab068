import type { ReferenceList } from '../../component.ts'
import { DETECTOR_NAMES, detectorOf } from './detect/detector.ts'
import { FORMS } from './forms.ts'
import {
  AMBIGUOUS_NAMES,
  FEATURE_NAMES,
  ONLY_SPEAKS,
  QUESTION_WORDS,
  SECRET_NAMES,
  SPEAKING_WORDS,
  VALUE_WORDS,
} from './name-table.ts'
import { COMMON_PAIR_NAMES, PAIR_NAMES, PAIR_VALUES } from './pairs.ts'

/** The detectors and the tables of the preset `secrets`, for the documentation. */
export const redactLists: readonly ReferenceList[] = [
  {
    title: 'Detectors',
    about: 'What `detect` finds inside strings.',
    items: DETECTOR_NAMES.map((name) => ({ term: `\`${name}\``, about: detectorOf(name).about })),
  },
  {
    title: 'Secret names',
    about:
      'Case, separators and plural do not matter. `strong`: secret, also with an unknown word after it. `end`: secret at the end of a name. `whole`: secret only if it is the whole name.',
    items: SECRET_NAMES.map(({ names, as, why }) => ({ term: `${names} (${as})`, about: why })),
  },
  {
    title: 'Names that only speak of secrets',
    about: 'These names hold no secret, although they contain a secret name.',
    items: [
      ...ONLY_SPEAKS.map(({ names, why }) => ({ term: names, about: why })),
      { term: `${FEATURE_NAMES.names} (anywhere)`, about: FEATURE_NAMES.why },
    ],
  },
  {
    title: 'Words that only speak of a secret',
    about:
      'At the end of a name, these words say something about the secret: `password_policy`, `token_id`. In an object of secrets, members with these names stay, unless the table says otherwise.',
    items: SPEAKING_WORDS.map(({ words, why }) => ({ term: words, about: why })),
  },
  {
    title: 'Words that ask or limit',
    about: 'With these words, a name is a question, an order or a limit.',
    items: [
      { term: QUESTION_WORDS.first, about: QUESTION_WORDS.firstWhy },
      { term: QUESTION_WORDS.later, about: QUESTION_WORDS.laterWhy },
    ],
  },
  {
    title: 'Words that change nothing',
    about: 'After a secret name, these words leave it secret.',
    items: [{ term: VALUE_WORDS.words, about: VALUE_WORDS.why }],
  },
  {
    title: 'Names with two meanings',
    about: 'These names hold a secret in one place and none in another. The preset assumes one meaning.',
    items: AMBIGUOUS_NAMES.map(({ names, masked, why }) => ({
      term: `${names} (${masked ? 'masked' : 'stays'})`,
      about: why,
    })),
  },
  {
    title: 'Pairs',
    about: 'If the value of a name is a secret name, the values beside it are masked.',
    items: [
      { term: PAIR_NAMES, about: 'Names.' },
      { term: COMMON_PAIR_NAMES, about: 'Names, only beside a key of a value.' },
      { term: PAIR_VALUES, about: 'Values.' },
    ],
  },
  {
    title: 'Secrets with a known form',
    about: 'Found anywhere in a string of 12 bytes or more.',
    items: FORMS.map(({ name, source }) => ({ term: name, about: source })),
  },
]
