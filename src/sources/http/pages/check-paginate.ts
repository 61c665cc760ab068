import type { Finding } from '../../../component.ts'
import { usesPlaceholder } from '../check.ts'
import type { HttpOptions, PaginateOptions } from '../options.ts'

/** Checks the rules of each type of pagination. */
export function* checkPaginate(
  options: Pick<HttpOptions, 'paginate' | 'records' | 'request' | 'format'>,
): Generator<Finding> {
  const { paginate, records, request, format } = options
  if (paginate === undefined) return
  const { type, from, into, stop, size } = paginate
  if (type === 'cursor' && from === undefined)
    yield {
      at: inPaginate(),
      message: 'cursor needs from',
      hint: 'set from to the location of the cursor in a response',
    }
  if (type === 'link' && into !== undefined)
    yield { at: inPaginate('into'), message: 'link has no into: a link is followed as it is' }
  if ((type === 'page' || type === 'offset') && from !== undefined)
    yield { at: inPaginate('from'), message: `${type} has no from: it is counted here, not sent by the API` }
  if (type === 'link' && from?.header !== undefined)
    yield {
      at: inPaginate('from', 'header'),
      message: 'a link comes from the Link header or from the body',
      hint: 'remove from, or use from: { body: ... }',
    }
  if (type !== 'link' && into === undefined && !usesPlaceholder(request, type))
    yield {
      at: inPaginate(),
      message: `the request does not send the ${type}: every page would be the first page`,
      hint: `set into, or use {${type}} in the request`,
    }
  if (paginate.alone === true && type !== 'cursor')
    yield {
      at: inPaginate('alone'),
      message: `alone needs type cursor: a ${type} cannot replace the rest of the request`,
    }
  else if (paginate.alone === true && into?.query === undefined && into?.body === undefined)
    yield { at: inPaginate('alone'), message: 'alone needs into', hint: 'set into.query or into.body' }
  if (into !== undefined && Object.keys(into).length !== 1)
    yield { at: inPaginate('into'), message: 'into needs exactly one location', hint: 'header, query or body' }
  if (into?.body !== undefined && request.method === 'GET')
    yield { at: inPaginate('into', 'body'), message: 'a GET request has no body' }
  for (const [keys, location] of locationsOf(paginate)) {
    if (location !== undefined && Object.keys(location).length !== 1)
      yield { at: inPaginate(...keys), message: `${keys.at(-1)} needs exactly one location`, hint: 'header or body' }
    if (location?.body !== undefined && (records === '$' || format === 'ndjson'))
      yield {
        at: inPaginate(...keys),
        message: 'the response is a list of records: its body has no other values',
        hint: 'use header, or set records to the path of the list',
      }
  }
  if (stop?.shortPage !== undefined && stop.shortPage.limit === undefined && size === undefined)
    yield {
      at: inPaginate('stop', 'shortPage'),
      message: 'shortPage needs the size of a full page',
      hint: 'set stop.shortPage.limit or size',
    }
}

function inPaginate(...keys: string[]): Finding['at'] {
  return ['paginate', ...keys]
}

function locationsOf({ from, stop }: PaginateOptions) {
  return [
    [['from'], from],
    [['stop', 'more'], stop?.more],
    [['stop', 'shortPage', 'count'], stop?.shortPage?.count],
    [['stop', 'shortPage', 'limit'], stop?.shortPage?.limit],
  ] as const
}
