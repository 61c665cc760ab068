/** A custom source of an API, whose requests a test can answer. Its origin is the variable ITEMS. */
export const SOURCE_OF_PAGES = `import { Readable } from 'node:stream'
import { defineSource } from 'sluice'

const send = async ({ origin, path, method, headers, body, signal }) => {
  const response = await fetch(origin + path, { method, headers, body, signal })
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: Readable.from(response.body ?? []),
  }
}

export default defineSource({
  summary: 'Reads items of an API.',
  repeats: false,
  fields: {},
  create: () => ({
    async *read({ position, signal, exchange = (same) => same }) {
      const request = exchange(send)
      for (let after = position() ?? 0; ; ) {
        const headers = { authorization: 'Bearer canary-token' }
        const page = { origin: process.env.ITEMS ?? 'http://api.invalid', path: '/items?after=' + after }
        const { body } = await request({ ...page, method: 'GET', headers, body: null, signal })
        const items = JSON.parse(Buffer.concat(await body.toArray()).toString())
        if (items.length === 0) return
        after += items.length
        yield { records: items, position: after }
      }
    },
  }),
})
`
