/** What a source waits for, as names beside those of stages. No stage has such a name. */
export const NETWORK = '(network)'
export const RATE_LIMIT = '(rate limit)'
export const RETRY = '(retry)'
