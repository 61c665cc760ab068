import { Needles } from '../../record/paths/needles.ts'

/** Secrets that are recognised by their form, wherever they are in a text. */
export interface Form {
  readonly name: string
  /** Texts that occur in every such secret; the scanner searches them. */
  readonly needles: readonly string[]
  /**
   * Matches the secret and nothing else. Each match starts after a byte that cannot be a part of it,
   * so that a hostile text costs linear time.
   */
  readonly pattern: RegExp
  /** The part of the match that is secret; without, all of it is. */
  readonly isSecret?: (match: string) => boolean
  /** An identifier: it stays under a name that ends in `id`. */
  readonly isId?: true
  /** What it is, if it is no key or token of a cloud or vendor. */
  readonly kind?: 'privateKey' | 'jwt' | 'credential'
  /** Who documents the form. */
  readonly source: string
}

const GITHUB = 'https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/'
const GITLAB = 'https://docs.gitlab.com/security/tokens/#token-prefixes'
const SLACK = 'https://docs.slack.dev/authentication/tokens'

export const FORMS: readonly Form[] = [
  {
    name: 'private key in PEM',
    needles: ['PRIVATE KEY', '-----BEGIN'],
    pattern:
      /-----BEGIN(?: |%20|\+)[A-Z0-9 %+]{0,40}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?-----[^]*?(?:-----END(?: |%20|\+)[A-Z0-9 %+]{0,40}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?-----|$)/g,
    kind: 'privateKey',
    source: 'https://www.rfc-editor.org/rfc/rfc7468',
  },
  {
    name: 'private key of PuTTY',
    needles: ['Private-Lines: '],
    pattern: /(?<=Private-Lines: \d{1,4}\s{1,4})[A-Za-z0-9+/=\s]+/g,
    kind: 'privateKey',
    source: 'https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html',
  },
  {
    name: 'seeds of one-time passwords for another phone',
    needles: ['offline?data='],
    pattern: /(?<=otpauth-migration:\/\/offline\?data=)[^\s"'<>]+/g,
    kind: 'credential',
    source: 'https://github.com/google/google-authenticator/wiki/Key-Uri-Format',
  },
  {
    name: 'user and password of curl, password of sshpass',
    needles: [' -u ', '--user ', 'sshpass -p'],
    pattern: /(?<=(?<![\w-])(?:-u|--user) {1,4}["']?[^\s:"']{1,128}:)[^\s"']{1,256}|(?<=sshpass -p ?)[^\s"']+/g,
    kind: 'credential',
    source: 'https://curl.se/docs/manpage.html#-u',
  },
  {
    name: 'JSON web token',
    needles: ['eyJ'],
    pattern: /(?<![\w-])eyJ[\w-]{6,}\.[\w-]*(?:\.[\w-]*){1,3}/g,
    kind: 'jwt',
    source: 'https://www.rfc-editor.org/rfc/rfc7519',
  },
  {
    name: 'HTTP credentials',
    needles: ['earer ', 'asic ', 'SSWS '],
    pattern: /(?<=(?<![\w-])(?:Bearer|Basic|SSWS) {1,4})[\w.~+/=:-]{6,}/gi,
    isSecret: isHttpCredential,
    kind: 'credential',
    source:
      'https://www.rfc-editor.org/rfc/rfc6750, https://www.rfc-editor.org/rfc/rfc7617, https://developer.okta.com/docs/api/',
  },
  {
    name: 'AWS access key id',
    needles: ['AKIA', 'ASIA'],
    pattern: /(?<![\w/+=-])A(?:KI|SI)A[A-Z0-9]{16}(?![\w/+=-])/g,
    isId: true,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html',
  },
  {
    name: 'Slack token',
    needles: ['xox', 'xapp-'],
    pattern: /(?<![\w-])(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{8,}/g,
    source: SLACK,
  },
  {
    name: 'webhook of Slack, Teams or Discord',
    needles: ['hooks.slack.com/', 'webhook.office.c', 'webhooks/'],
    pattern:
      /(?<=hooks\.slack\.com\/(?:services|workflows|triggers)\/|webhook\.office\.com\/|discord(?:app)?\.com\/api\/webhooks\/)[\w/@-]{8,}/g,
    source: 'https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks',
  },
  {
    name: 'GitHub token',
    needles: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'github_pat_'],
    pattern: /(?<![\w-])(?:gh[pousr]_|github_pat_)\w{16,}/g,
    source: GITHUB,
  },
  {
    name: 'GitLab token',
    needles: [
      'glpat-',
      'gldt-',
      'glrt-',
      'glcbt-',
      'glptt-',
      'glft-',
      'glimt-',
      'glagent-',
      'glsoat-',
      'gloas-',
      'glffct-',
    ],
    pattern: /(?<![\w-])gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[\w.-]{16,}/g,
    source: GITLAB,
  },
  {
    name: 'key of OpenAI, Anthropic and others',
    needles: ['sk-'],
    pattern: /(?<![\w-])sk-(?=[\w-]{0,200}\d)[\w-]{20,}/g,
    source: 'https://platform.openai.com/docs/api-reference/authentication, https://docs.anthropic.com/en/api/overview',
  },
  {
    name: 'Stripe key',
    needles: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'whsec_'],
    pattern: /(?<![\w-])(?:[sr]k_(?:live|test)_|whsec_)\w{16,}/g,
    source: 'https://docs.stripe.com/keys',
  },
  {
    name: 'Google key, token or client secret',
    needles: ['AIza', 'ya29.', 'GOCSPX-'],
    pattern: /(?<![\w-])(?:AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{20,})/g,
    source:
      'https://cloud.google.com/docs/authentication/api-keys, https://developers.google.com/identity/protocols/oauth2',
  },
  {
    name: 'SendGrid key',
    needles: ['SG.'],
    pattern: /(?<![\w-])SG\.[\w-]{16,}\.[\w-]{16,}/g,
    source: 'https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys',
  },
  {
    name: 'npm token',
    needles: ['npm_'],
    pattern: /(?<![\w-])npm_[A-Za-z0-9]{30,}/g,
    source: 'https://github.blog/2021-09-23-announcing-npms-new-access-token-format/',
  },
  {
    name: 'PyPI token',
    needles: ['pypi-'],
    pattern: /(?<![\w-])pypi-[\w-]{16,}/g,
    source: 'https://pypi.org/help/#apitoken',
  },
  {
    name: 'DigitalOcean token',
    needles: ['dop_v1_', 'doo_v1_', 'dor_v1_'],
    pattern: /(?<![\w-])do[por]_v1_[a-f0-9]{32,}/g,
    source: 'https://docs.digitalocean.com/reference/api/create-personal-access-token/',
  },
  {
    name: 'Docker token',
    needles: ['dckr_pat_', 'dckr_oat_'],
    pattern: /(?<![\w-])dckr_[po]at_[\w-]{16,}/g,
    source: 'https://docs.docker.com/security/access-tokens/',
  },
  {
    name: 'HashiCorp Vault token',
    needles: ['hvs.', 'hvb.', 'hvr.'],
    pattern: /(?<![\w-])hv[sbr]\.[\w-]{20,}/g,
    source: 'https://developer.hashicorp.com/vault/docs/concepts/tokens',
  },
  {
    name: 'Hugging Face token',
    needles: ['hf_'],
    pattern: /(?<![\w-])hf_[A-Za-z0-9]{30,}/g,
    source: 'https://huggingface.co/docs/hub/security-tokens',
  },
  {
    name: 'Shopify token',
    needles: ['shpat_', 'shpca_', 'shppa_', 'shpss_'],
    pattern: /(?<![\w-])shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,}/g,
    source: 'https://shopify.dev/docs/apps/build/authentication-authorization',
  },
  {
    name: 'Atlassian token',
    needles: ['ATATT3', 'ATCTT3', 'ATBBT3'],
    pattern: /(?<![\w-])AT(?:AT|CT|BB)T3[\w=-]{20,}/g,
    source: 'https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/',
  },
  {
    name: '1Password service account token',
    needles: ['ops_eyJ'],
    pattern: /(?<![\w-])ops_eyJ[\w-]{16,}/g,
    source: 'https://developer.1password.com/docs/service-accounts/security/',
  },
  {
    name: 'Grafana token',
    needles: ['glsa_', 'glc_eyJ'],
    pattern: /(?<![\w-])(?:glsa_\w{24,}|glc_eyJ[\w+/=-]{16,})/g,
    source: 'https://grafana.com/docs/grafana/latest/administration/service-accounts/',
  },
  {
    name: 'key of New Relic or Postman',
    needles: ['NRAK-', 'PMAK-'],
    pattern: /(?<![\w-])(?:NR|PM)AK-[\w-]{24,}/g,
    source: 'https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/',
  },
  {
    name: 'token of Sentry, RubyGems or HCP Terraform',
    needles: ['sntrys_eyJ', 'rubygems_', '.atlasv1.'],
    pattern: /(?<![\w-])(?:sntrys_[\w+/=]{24,}|rubygems_[a-f0-9]{32,}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{48,})/g,
    source:
      'https://docs.sentry.io/api/auth/, https://guides.rubygems.org/api-key-scopes/, https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens',
  },
  {
    name: 'age secret key',
    needles: ['AGE-SECRET-KEY-'],
    pattern: /AGE-SECRET-KEY-1[A-Z0-9]{16,}/g,
    kind: 'privateKey',
    source: 'https://github.com/C2SP/C2SP/blob/main/age.md',
  },
]

/**
 * Keys without a form of their own, found after their name. The preset finds them by the name; the
 * detector `cloudKey` has no names.
 */
export const NAMED_KEYS: readonly Form[] = [
  {
    name: 'AWS access key id after a sign of equality',
    needles: ['=AKIA', '=ASIA'],
    pattern: /(?<==)A(?:KI|SI)A[A-Z0-9]{16}(?![\w/+=-])/g,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html',
  },
  {
    name: 'AWS secret access key',
    needles: ['ecret', 'ECRET'],
    pattern: /(?<=secret_?(?:access_?)?key["']? {0,2}[=:] {0,2}["']?)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/gi,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html',
  },
  {
    name: 'key of an Azure storage account',
    needles: ['AccountKey='],
    pattern: /(?<=AccountKey=)[A-Za-z0-9/+]{40,}={0,2}/g,
    source: 'https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string',
  },
  {
    name: 'signature of an Azure SAS',
    needles: ['sig='],
    pattern: /(?<=[?&]sig=)[A-Za-z0-9%/+_-]{40,}={0,2}/g,
    source: 'https://learn.microsoft.com/azure/storage/common/storage-sas-overview',
  },
]

/** Words that follow the name of a scheme in prose: "Basic authentication". */
const PROSE =
  /^(?:auth\w*|access|token|tokens|credentials?|scheme|header|headers|method|license|plan|information|user|users|account|settings?|support|level|mode)$/i

/** In prose, a scheme is followed by a word; a credential has a digit, a capital inside, or is long. */
function isHttpCredential(match: string): boolean {
  if (PROSE.test(match)) return false
  return match.length >= 20 || /[\d=+/]/.test(match) || /[a-z][A-Z]/.test(match)
}

/** The last letters of secret names, before `=` and `: `; `text.ts` reads the whole name. */
const NAME_ENDS = 'rd wd ss se de in tp en et ey wt sk ie on al ls ns uk vv ig re rl ng sn th'.split(' ')
const ASSIGNED = NAME_ENDS.flatMap((end) => [end, end.toUpperCase()]).flatMap((end) => [`${end}=`, `${end}: `])

/**
 * The pairs of bytes by which the needles are found, see `Needles`. They are rare in audit events
 * (`xa` is not, because of `example.com`), and so are the other pairs that their groups let through.
 * Each pair costs: try where it lets the least of ordinary text through.
 */
const PAIRS = [
  [
    ...ASSIGNED.filter((needle) => needle.endsWith('=')).map((needle) => needle.slice(-2)),
    '--',
    'p-',
    'k-',
    'i-',
    'T-',
    'K-',
    'a=',
    't:',
    'd:',
    ' =',
    'p[',
    '%3',
    ' -',
  ],
  ['c ', 'SW', 'ks', 'hp', 'b_', 'k_', 'hs', 'SP', 'SG', 'kr', 'hv', 'f_', '</'],
  ['AT', 'yJ', 'IA', 'Iz', 'ya', 'v1', '//', 'yg'],
  ['r ', 'ox', 'bh', 'gh', 'gl', 'np', ': '],
]

const TEXTS = [
  ...FORMS.flatMap(({ needles }) => needles),
  ...ASSIGNED,
  ...['pass', 'pwd', 'tok', 'sec', 'api', 'acc', 'auth'].map((start) => `--${start}`),
  ' -Pass',
  ' -Pwd',
  'password:',
  'passwd:',
  'secret:',
  "': ",
  ' = ',
  'map[',
  '</',
  '%3D',
  '%3d',
]

/**
 * Bytes of which each text has one (an option is followed by a blank or `=`). They are rare in times,
 * identifiers and addresses.
 */
const TELLING = ' =[<%/_AGIJKXgktvwxy'

/** What makes a string worth reading: the forms, names with values, options, XML, URLs with a password. */
export const WATCHED = new Needles([...TEXTS, '://'], PAIRS, TELLING, '://')
