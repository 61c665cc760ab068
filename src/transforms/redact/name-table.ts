/** A row of the table of names: names or words of one meaning, and the reason for the verdict. */
export interface NameRow {
  /** Names in any spelling, separated by ", ". */
  readonly names: string
  /**
   * `strong`: secret, also with an unknown word after it. `end`: secret at the end of a name.
   * `whole`: secret only if it is the whole name.
   */
  readonly as: 'strong' | 'end' | 'whole'
  readonly why: string
}

/** Names of secrets. Case, separators and plural do not matter. */
export const SECRET_NAMES: readonly NameRow[] = [
  {
    names: 'password, passwd, passphrase, passcode, pass phrase, pass code',
    as: 'strong',
    why: 'Logs a person in.',
  },
  { names: 'pwd', as: 'end', why: 'Password. Also the working directory of a shell, so only at the end of a name.' },
  { names: 'pass', as: 'whole', why: 'Password beside `user`. As a part of a name it is a verb.' },
  { names: 'pw, passw, bind pw, root pw, admin pw, user pw', as: 'end', why: 'Password, abbreviated.' },
  {
    names:
      'db pass, user pass, smtp pass, root pass, admin pass, ftp pass, proxy pass, mysql pass, redis pass, bind pass, pgpass',
    as: 'end',
    why: 'The same, in names of settings.',
  },
  { names: 'secret', as: 'strong', why: 'Client secrets, shared secrets, TOTP secrets, webhook secrets.' },
  {
    names: 'token',
    as: 'strong',
    why: 'Access, refresh, session, ID, reset and bearer tokens: who holds it acts as its owner.',
  },
  { names: 'credential', as: 'strong', why: 'Whatever authenticates. Its id and kind stay, see below.' },
  { names: 'cred', as: 'end', why: 'Credentials, abbreviated.' },
  { names: 'private key, secret key, secret access key', as: 'strong', why: 'Signs or decrypts.' },
  {
    names: 'api key, access key, app key, application key, subscription key, master key',
    as: 'strong',
    why: 'Authenticates a program.',
  },
  {
    names:
      'signing key, encryption key, decryption key, shared key, pre shared key, host key, ssh key, account key, storage key, auth key, authentication key, session key, license key, product key, wep key, wpa key, integration secret key, skey, hmac key, symmetric key, seed key, service key, root key, server key, webhook key, deployment key, registration key, consumer key, personal key, cookie key, crypto key, ca key, unseal key, connect key, encryption customer key, sse customer key, key material, mac key, device specific key, random key send, random key receive, signer key, authentication material',
    as: 'end',
    why: 'Key material. `public key` and `key id` are not in the list.',
  },
  {
    names: 'client key, aes key, wrapping key, certificate key, cert key, tls key, ssl key',
    as: 'end',
    why: 'Key of a client, a cipher or a certificate.',
  },
  { names: 'private id', as: 'end', why: 'Secret identity of a YubiKey.' },
  { names: 'psk, wpa psk, pre shared key hex', as: 'end', why: 'Pre-shared key of a network or a VPN.' },
  {
    names: 'customer gateway configuration, device sample configuration',
    as: 'end',
    why: 'Configuration of a VPN device, with its pre-shared keys (AWS).',
  },
  {
    names: 'app s key, nwk key, nwk s key, nwk s int key, nwk s enc key',
    as: 'end',
    why: 'Encrypts and signs the frames of a device (LoRaWAN).',
  },
  { names: 'vsan key, solution key, activation key', as: 'end', why: 'Activates a product or a gateway.' },
  { names: 'stream key', as: 'end', why: 'Who has it publishes to the stream.' },
  {
    names: 'key block, key cryptogram, encrypted value, security db encryption',
    as: 'end',
    why: 'A key or a secret, wrapped or encrypted with another one.',
  },
  {
    names: 'wallet file, certificate wallet, encoded jit config',
    as: 'end',
    why: 'A file of keys and passwords (Oracle wallet, runner of GitHub).',
  },
  {
    names: 'recovery key, fde key, filevault key, bitlocker key, unlock key, escrow key, volume key, institutional key',
    as: 'end',
    why: 'Opens an encrypted disk.',
  },
  { names: 'recovery', as: 'whole', why: 'Holds recovery keys or codes. `recovery_email` is a contact.' },
  {
    names:
      'proxy authorization, http authorization, cf authorization, x authorization, forwarded authorization, original authorization, authorization header, auth header, basic auth',
    as: 'end',
    why: 'HTTP credentials, RFC 9110.',
  },
  {
    names: 'authorization',
    as: 'whole',
    why: 'The same. As a part of a name it is a permission: `VpcPeeringAuthorization`.',
  },
  { names: 'bearer', as: 'whole', why: 'A bearer token, RFC 6750.' },
  { names: 'amz bearer', as: 'end', why: 'The same, in a header (AWS).' },
  { names: 'plaintext, datakey', as: 'whole', why: 'A decrypted key (AWS KMS).' },
  { names: 'cookie, set cookie, session cookie, cookie header', as: 'end', why: 'Session cookies, RFC 6265.' },
  {
    names: 'jwt, jws, jwe, saml response, saml assertion, assertion, id token hint, samlresponse',
    as: 'end',
    why: 'Signed logins, RFC 7519, RFC 7523, SAML 2.0.',
  },
  {
    names:
      'otp, totp, hotp, one time password, one time code, totp seed, otp seed, base32 string seed, qr code png, amz mfa, otpauth, otp uri, totp uri, otp url',
    as: 'end',
    why: 'Second factor, RFC 6238.',
  },
  { names: 'pin, pin code, puk', as: 'end', why: 'Short numeric password.' },
  {
    names:
      'backup code, recovery code, scratch code, bypass code, mfa code, 2fa code, sms code, otp code, verification code, security code, auth code, authorization code, device code, activation code, unlock code, login code, access code, confirmation code, challenge code, authentication code, code verifier, pairing code, enrollment code, reset code, user code, invite code, invitation code, accept code, manifest code',
    as: 'end',
    why: 'Replaces a password or second factor, at least for a while.',
  },
  {
    names: 'cvv, cvc, cvv2, card verification value, track data, pin block',
    as: 'end',
    why: 'Sensitive authentication data of a card, PCI DSS.',
  },
  {
    names: 'security answer, secret answer, recovery answer, answer to security question',
    as: 'end',
    why: 'Resets a password.',
  },
  {
    names:
      'reset url, reset link, magic link, activation url, activation link, activation barcode, login link, signin link, presigned url, presigned log url, presigned s3 url, pre signed log url, signed url, signed bi url, sas url, sas uri, authorized url, streaming url, streaming session url',
    as: 'end',
    why: 'A link that logs in who opens it.',
  },
  { names: 'reset password url, reset password link', as: 'end', why: 'The same (Okta).' },
  { names: 'activation msg, activation message', as: 'end', why: 'A text with such a link (Duo).' },
  {
    names: 'connection string, connstring, database url, db url, dsn, webhook url',
    as: 'end',
    why: 'Usually contains a password or a token.',
  },
  { names: 'question answer', as: 'end', why: 'Resets a password: `recovery_question.answer`.' },
  {
    names: 'amz signature, goog signature, policy signature, authorization signature',
    as: 'end',
    why: 'Signs a URL or a request that anybody can send for a while.',
  },
  { names: 'seed phrase, recovery phrase, mnemonic, mnemonic phrase', as: 'end', why: 'Restores a key.' },
  { names: 'ntlm hash, nt hash, lm hash, pwd hash', as: 'end', why: 'Can be used like the password.' },
  { names: 'keytab, kerberos ticket, htpasswd, netrc, pkcs 12, pfx', as: 'end', why: 'Files of credentials.' },
  { names: 'service account json', as: 'end', why: 'The same: it has a private key inside.' },
  { names: 'secret text binding', as: 'end', why: 'A secret of a script (Cloudflare Workers). Its name stays.' },
  { names: 'duo code', as: 'end', why: 'Authorization code, RFC 6749.' },
]

/** Names that contain a secret name but hold no secret. */
export const ONLY_SPEAKS: readonly Omit<NameRow, 'as'>[] = [
  {
    names: 'hashed token, token hash',
    why: 'SHA-256 of a random token, for finding its events (GitHub). It cannot be reversed.',
  },
  {
    names:
      'next token, page token, next page token, continuation token, pagination token, sync token, next sync token, marker token, resume token, position token',
    why: 'Position in a list.',
  },
  {
    names:
      'starting token, forward token, backward token, chunk token, next message token, sequence token, block token, checkpoint token, partition token, stream token, wait token, poll configuration token, initial configuration token',
    why: 'Position in a stream (AWS, Google).',
  },
  {
    names:
      'lock token, change token, policy update token, list update token, source update token, conditional token, version token, consistency token, precommit token',
    why: 'Optimistic locking: the change is refused if somebody else was faster (AWS, Google).',
  },
  {
    names: 'lifecycle action token, portfolio share token, purchase token, result token, retrieval token, offer token',
    why: 'Identifies a request, a quote or a result. Without credentials it is of no use (AWS).',
  },
  {
    names: 'attribution token, recommendation token',
    why: 'Connects an event with the answer that it came from (Google).',
  },
  { names: 'crc 32 c', why: 'A checksum.' },
  { names: 'grant token', why: 'Not secret, says its documentation (AWS KMS).' },
  { names: 'dkim token', why: 'Published in DNS.' },
  { names: 'http token', why: 'Whether sessions need a token (AWS, IMDSv2).' },
  {
    names:
      'client token, client request token, idempotency token, cancellation token, request token id, unique request token, creation token, execute token, terminate token, copy product token',
    why: 'Makes a request idempotent (AWS).',
  },
  {
    names:
      'max token, total token, prompt token, completion token, input token, output token, min token, reasoning token, cached token, thinking token, audio token, image token, training token, overlap token, budget token, thought token, every n token',
    why: 'Counts of a language model.',
  },
  {
    names: 'public key, public ssh key, ssh public key, public key token, public key material, commit signing key',
    why: 'Public by design.',
  },
  { names: 'kms encryption key', why: 'Names a key that never leaves its service.' },
  { names: 'secret string key', why: 'The name of a member of a secret that is a JSON object.' },
  { names: 'included cookie, excluded cookie', why: 'Names of cookies, in settings.' },
  { names: 'token last eight', why: 'The end of a token, to recognise it (GitHub).' },
  { names: 'token type hint', why: 'The kind of a token, RFC 7009.' },
  { names: 'algorithm mnemonic', why: 'The name of an algorithm (DNSSEC).' },
  { names: 'forgot password, forgot password link', why: 'A page, and its settings.' },
  { names: 'expires in, valid for', why: 'Seconds until it ends.' },
  { names: 'elevated token', why: 'Whether a session of Windows has administrative rights.' },
  { names: 'secret question, security question, security key', why: 'The question, or a device.' },
  { names: 'non secret, not secret', why: 'Says so.' },
  { names: 'hard token, hardware token', why: 'A device that shows passcodes.' },
  { names: 'webauthn credential, fido credential, public key credential', why: 'The public half of a key (WebAuthn).' },
  { names: 'granular bot token', why: 'Yes or no (Slack).' },
  { names: 'include in token', why: 'Whether a claim is in a token (Okta).' },
  { names: 'reset secret key', why: 'Asks for a new one (Duo).' },
  { names: 'authorizations', why: 'Decisions (OCSF). The header is called `authorization`.' },
]

/** Names of features. Anything with one of them inside is a setting of the feature. */
export const FEATURE_NAMES = {
  names: 'secret scanning, secret protection, push protection, secret manager',
  why: 'Settings of a feature that finds or keeps secrets (GitHub, Google). Its secrets are only named.',
}

/** Words that, at the end of a name, make it a name about a secret. */
export const SPEAKING_WORDS: readonly {
  readonly words: string
  readonly why: string
  /** Whether members with these names stay in an object of secrets. Default true. */
  readonly membersStay?: boolean
}[] = [
  {
    words: 'id identifier uid uuid guid arn ref reference index fingerprint thumbprint serial prefix suffix',
    why: 'Identifies the secret; analysts follow it.',
  },
  {
    words: 'name username label title description comment note tag display purpose nickname alias email',
    why: 'What people call it.',
  },
  {
    words:
      'type kind class category format algorithm alg version size bit curve spec encoding mode method protocol scheme standard strategy vendor mnemonic stage kty crv',
    why: 'What kind it is.',
  },
  {
    words:
      'status state enabled disabled active inactive allowed required optional set enforced present exist configured available supported verified valid invalid expired revoked locked compromised compromise leaked breached protected managed synced success failure failed result error reason message outcome passed requested completed initiated attempted approved accepted denied rejected exchanged eligible shared visible visibility checked',
    why: 'The state it is in.',
  },
  {
    words:
      'at on date time timestamp created updated changed modified rotated issued used expire expiry expiration expiring age ttl lifetime duration period day hour minute second ms validity unit until since before after last next first interval',
    why: 'When it was made, used or ends.',
  },
  {
    words:
      'policy rule setting config configuration encryption complexity strength score quality level requirement history min max minimum maximum length count total number limit attempt retry quota entropy position charged remaining utilization balance quantity threshold priority rate',
    why: 'How it must be, and how many there are.',
  },
  {
    words:
      'owner user creator issuer provider source origin audience subject scope permission grant role feature console account client app application service device factor vault store manager group organization team repository project by for',
    why: 'Whose it is and what it may do.',
  },
  {
    words:
      'action event operation challenge recovery reuse prevention enroll enrollment change reset rotation renewal update creation deletion generation revocation usage use access request login authentication verification management administration delegation scanning protection scan alert detection push sync check validation enforcement exchange replication migration integration import export',
    why: 'What happens to it.',
  },
  {
    words:
      'endpoint uri url host path file filename folder directory location domain region port database catalog bucket network',
    why: 'Where it is kept or sent.',
  },
  { words: 'kid', why: 'Identifies it, too: key id (JOSE).' },
  { words: 'binding template flag platform order', why: 'How it is built or sent.' },
  { words: 'setup sent renewable added window leeway step', why: 'The state it is in, or a time.' },
  { words: 'compliance dictionary lookup option recipe', why: 'How it must be.' },
  { words: 'destination channel', why: 'Where it is sent.' },
  {
    words: 'field parameter param header xpath selector hook filter expression',
    why: 'Where it is entered or sent. As members of an object of secrets they may be anything.',
    membersStay: false,
  },
  {
    words: 'question info information detail metadata attribute claim property summary certificate capability',
    why: 'Facts about it.',
  },
]

/** Words after a secret name that leave it a secret. */
export const VALUE_WORDS = {
  words:
    'value text string plain plaintext cleartext raw hash hashed encrypted ciphertext confirmation confirm repeat again new old current previous original base base64 b64 hex pem der data content byte binary blob material salt digest body payload key',
  why: 'The secret itself, in another form.',
}

/** Words that make a name a question, an order or a limit. */
export const QUESTION_WORDS = {
  first:
    'is has have require must should can allow enable disable force use show hide reveal include exclude omit skip no without need number count num min max minimum maximum remove regenerate',
  firstWhy: 'At the start of a name: yes or no, or a number, as in `has_password`, `max_tokens`.',
  later: 'is has require must should can need min max minimum maximum exclude show',
  laterWhy: 'After a strong name: a rule or a fact, as in `password_requires_digits`.',
}

/** Names that hold a secret in one place and none in another, and what the preset assumes. */
export const AMBIGUOUS_NAMES: readonly { readonly names: string; readonly masked: boolean; readonly why: string }[] = [
  {
    names: 'ssh key, host key',
    masked: true,
    why: 'A key that opens a host (JumpCloud, AWS Transfer). Also its public half or its name (CloudHSM, EKS, GitHub).',
  },
  {
    names: 'connection string, database url',
    masked: true,
    why: 'Usually with a password. Some are plain addresses (WorkSpaces, AppFlow).',
  },
  { names: 'activation url', masked: true, why: 'Enrols a device (Duo). Also a page of documentation (Security Hub).' },
  {
    names: 'verification token, registration token, request token, preview token',
    masked: true,
    why: 'Signs requests (Slack), registers a runner (GitHub), OAuth 1.0. Also in DNS (SES, GitHub), or the id of a request (CloudFormation, S3).',
  },
  {
    names: 'provision token, configuration token, update token, profile token, workflow token',
    masked: true,
    why: 'Tokens of that name join a cluster, publish or update. Those of AWS page, lock or make a request idempotent.',
  },
  {
    names: 'token, tokens',
    masked: true,
    why: 'Also words of a text and their number. Names such as `max_tokens` and `input_tokens` stay.',
  },
  { names: 'pwd', masked: true, why: 'Password. Also the working directory of a process (GuardDuty).' },
  { names: 'pin', masked: true, why: 'A number that logs in. Also a pinned comment (GitHub), or a fixed argument.' },
  {
    names: 'authorization, authorization header',
    masked: true,
    why: 'HTTP credentials. Also a permission (API Gateway), or the name of a header.',
  },
  {
    names: 'secret, secrets',
    masked: true,
    why: 'Also the permission to read secrets: `read` and `write` stay (GitHub).',
  },
  {
    names: 'session, logins',
    masked: false,
    why: 'Usually an id or user names. For Cognito, what continues a login; tokens among it are found by their form.',
  },
  {
    names: 'code',
    masked: false,
    why: 'Usually of a status. In URLs (`?code=`), where it is an OAuth code, it is masked.',
  },
  {
    names: 'embed url, deep link url',
    masked: false,
    why: 'A link to an application (Okta). In those that log in (QuickSight), the code in the URL is masked.',
  },
  { names: 'mfa', masked: false, why: 'Usually yes or no. The header `x-amz-mfa` is masked.' },
  {
    names: 'validation data',
    masked: false,
    why: 'Usually of a form. Also the CVV of a card (AWS Payment Cryptography).',
  },
  { names: 'key, state, nonce', masked: false, why: 'May be anything. Secrets with a known form are found.' },
]
