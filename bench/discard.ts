import { defineSink } from 'sluice'

/** Takes whole batches of written lines and drops them: what is left is the price of everything before. */
export default defineSink({
  summary: 'Drops what it is given.',
  delivers: 'stream',
  fields: {},
  create: () => ({ write: () => Promise.resolve(), flush: () => Promise.resolve() }),
})
