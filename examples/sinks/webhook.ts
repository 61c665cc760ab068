import { setTimeout as sleep } from 'node:timers/promises'
import { anySignal, defineSink, Duration, Secret, SluiceError, Type } from 'sluice'

export default defineSink({
  summary: 'Posts batches of NDJSON lines to a URL, one request after the other.',
  delivers: 'stream',
  // Every request is over when `write` resolves: nothing is kept of its bytes.
  reusesBuffers: true,
  fields: {
    url: Type.String({ pattern: '^https?://', description: 'Address of the receiver.' }),
    token: Type.Optional(Secret({ description: 'Bearer token of the receiver.' })),
    attempts: Type.Integer({
      default: 5,
      minimum: 1,
      description: 'How often a request is sent before the run fails.',
    }),
    timeout: Duration({ default: '30s', description: 'Longest time for one request.' }),
  },
  examples: [{ title: 'A collector', config: { url: 'https://siem.example.com/events', token: '${env:SIEM_TOKEN}' } }],
  create({ url, token, attempts, timeout }) {
    const headers = {
      'content-type': 'application/x-ndjson',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    const post = async (bytes: Buffer, signal: AbortSignal): Promise<string | undefined> => {
      try {
        const limit = anySignal(signal, AbortSignal.timeout(timeout))
        const response = await fetch(url, { method: 'POST', headers, body: bytes, signal: limit })
        await response.body?.cancel()
        if (response.ok) return undefined
        if (response.status < 500 && response.status !== 429)
          throw new SluiceError('SINK_REFUSED', `${url} answered ${response.status}: check \`url\` and \`token\``)
        return `answered ${response.status}`
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof SluiceError) throw error
        return 'did not answer'
      }
    }
    return {
      async write(bytes, signal) {
        for (let attempt = 1; ; attempt++) {
          const failure = await post(bytes, signal)
          if (failure === undefined) return
          if (attempt === attempts) throw new SluiceError('SINK_FAILED', `${url} ${failure}, ${attempts} times`)
          await sleep(200 * 2 ** attempt, undefined, { signal })
        }
      },
      // Nothing waits here: each write is delivered when it resolves.
      flush: () => Promise.resolve(),
    }
  },
})
