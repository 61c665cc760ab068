import { addSecret } from './secrets.ts'

/** Hides the credentials that libraries take from the environment by themselves. */
export function addEnvironmentSecrets(env: NodeJS.ProcessEnv): void {
  for (const name of CREDENTIALS) addSecret(env[name] ?? '', { name: `env.${name}` })
  for (const name of PROXIES) {
    for (const url of [env[name], env[name.toLowerCase()]]) {
      // `user:password` before the host; a proxy may be written without a scheme.
      const [, user = '', password = ''] = /^(?:\w+:\/\/)?([^@/:]*):?([^@/]*)@/.exec(url ?? '') ?? []
      addSecret(password === '' ? user : password)
    }
  }
}

const CREDENTIALS = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'SLUICE_SHARD_KEY',
]
const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY']
