import { Type } from '../../fields/typebox.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { Choice, Duration, ExistingFile, Secret } from '../../fields/fields.ts'

/** Fields of `http` and all its presets. */
export const sharedFields = {
  rate: Type.Object(
    {
      perSecond: Type.Number({
        exclusiveMinimum: 0,
        default: 2,
        description: 'Maximum requests per second, of all tenants together.',
      }),
      concurrency: Type.Integer({
        minimum: 1,
        maximum: 64,
        default: 1,
        description: 'Maximum responses read at the same time.',
      }),
    },
    { default: {}, description: 'Request rate.' },
  ),
  retry: Type.Object(
    {
      attempts: Type.Integer({
        minimum: 1,
        default: 8,
        description: 'Attempts per page. After the last one the window fails.',
      }),
      maxDelay: Duration({
        default: '1m',
        description: 'Longest backoff between two attempts. A Retry-After header takes precedence.',
      }),
      refusedFor: Duration({
        default: '15m',
        description:
          'With --follow and a key in a file (`${file:PATH}`, `keyFile`, `tls`): how long to wait for a new key when the API refuses the old one.',
      }),
      statuses: Type.Record(Type.String(), Choice(['retry', 'fail'], { description: 'What follows the status.' }), {
        default: {},
        description:
          'Statuses from 400 to 599 that are retried or not, other than by default: `{ 404: retry, 500: fail }`.',
      }),
    },
    {
      default: {},
      description:
        'Retries after broken responses, network errors and temporary statuses (see "Statuses that are retried" in docs/errors.md).',
    },
  ),
  timeout: Type.Object(
    {
      connect: Duration({ default: '10s', description: 'Until the connection is open, also through a proxy.' }),
      headers: Duration({ default: '1m', description: 'Until a response starts.' }),
      body: Duration({ default: '1m', description: 'Between two parts of a response.' }),
      request: Duration({
        default: '10m',
        description:
          'Total time of waiting for one response, from its access token to its last byte. After it the request is retried.',
      }),
    },
    { default: {}, description: 'Timeouts. Time that the rest of the pipeline takes does not count.' },
  ),
  poll: Duration({ default: '60s', description: 'With --follow: pause between polls once everything is read.' }),
}

export const since = {
  description:
    'Start of the first run: a time such as 2024-03-04T00:00:00Z, or a duration back from now. Later runs resume from the state.',
}

/** Fields of `window` that are the same for `http` and its presets. */
export const windowFields = {
  until: Type.Optional(
    Type.String({
      plain: true,
      description: 'End, written like `since`. Also ends a run with --follow. Default: none.',
    }),
  ),
  lag: Duration({
    default: '5m',
    description:
      'Settling delay: records younger than this are left for a later window, since more of them may still arrive.',
  }),
  overlap: Duration({
    default: '5m',
    description: 'Overlap: each window starts this long before the high watermark (the end of the previous window).',
  }),
  sweepEvery: Duration({ default: '15m', description: 'Time between two look-backs.' }),
}

/** Depth of the look-back. */
export const sweep = {
  description:
    'Look-back: every `sweepEvery`, a window starts this long before the high watermark, to catch late records.',
}

const location = {
  header: Type.Optional(Type.String({ minLength: 1, description: 'A response header.' })),
  body: Type.Optional(Type.String({ minLength: 1, description: 'Path in the response body, such as `meta.next`.' })),
}

export const tlsFields = Type.Object(
  {
    cert: Type.Optional(ExistingFile({ description: 'Client certificate (PEM), if the API asks for one.' })),
    key: Type.Optional(ExistingFile({ description: 'Private key of `cert` (PEM).' })),
    passphrase: Type.Optional(Secret({ description: 'Passphrase of the private key.' })),
    ca: Type.Optional(
      ExistingFile({
        description:
          'CA certificates (PEM), trusted in addition to those of Node.js. NODE_EXTRA_CA_CERTS does the same for all connections.',
      }),
    ),
  },
  { description: 'TLS certificates. (Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.)' },
)

/** Depth of the reconciliation. */
export const repairBack = {
  default: '7d',
  description:
    'Depth of the reconciliation, 2d to 14d. Once a day the hourly counts are compared; hours that changed are re-read.',
}

const countRequest = {
  url: Type.String({
    description: 'URL, with the same origin as `request.url`. The headers of `request` are sent too.',
  }),
  method: Choice(['GET', 'POST'], { default: 'GET', description: 'HTTP method.' }),
  query: Type.Record(Type.String(), Type.String(), { default: {}, description: 'URL parameters.' }),
  body: Type.Optional(
    Type.Unsafe<JsonObject>(
      Type.Object({}, { additionalProperties: true, description: 'Request body, sent as JSON.' }),
    ),
  ),
}

export const countFields = Type.Object(
  {
    ...countRequest,
    value: Type.Object(location, { description: 'Location of the number in the response.' }),
  },
  {
    template: true,
    description:
      'Request for the number of records in a window. A window with fewer records is read once more; then the log reports it.',
  },
)

export const repairFields = Type.Object(
  {
    ...countRequest,
    buckets: Type.String({
      minLength: 1,
      description: 'Path to the list of counts in the response, such as `data.hours`; `$` is the response itself.',
    }),
    start: Type.String({
      minLength: 1,
      description: 'Key with the start of the hour: RFC 3339 or milliseconds since 1970, a whole UTC hour.',
    }),
    count: Type.String({ minLength: 1, description: 'Key with the number of records.' }),
    back: Duration(repairBack),
  },
  {
    template: true,
    description:
      'Reconciliation: request for hourly counts between {window.start} and {window.end}, to find records that the API shows very late.',
  },
)

export const paginateFields = Type.Object(
  {
    type: Type.Unsafe<'cursor' | 'link' | 'page' | 'offset'>(
      Type.String({
        enum: ['cursor', 'link', 'page', 'offset'],
        description:
          '`cursor`: the response contains a cursor. `link`: it contains the URL of the next page. `page`, `offset`: pages or records are counted.',
      }),
    ),
    from: Type.Optional(
      Type.Object(location, {
        description: 'Location of the cursor or link in a response. Default for `link`: the Link header with rel=next.',
      }),
    ),
    into: Type.Optional(
      Type.Object(
        {
          header: Type.Optional(Type.String({ minLength: 1, description: 'A request header.' })),
          query: Type.Optional(Type.String({ minLength: 1, description: 'A URL parameter.' })),
          body: Type.Optional(Type.String({ minLength: 1, description: 'Path in the request body.' })),
        },
        {
          description:
            'Location of the cursor, page number or offset in the request. Placeholders in the request are an alternative.',
        },
      ),
    ),
    alone: Type.Optional(
      Type.Boolean({
        description:
          'With `cursor`: later pages send the cursor as the only URL parameter, or as the only key of the body.',
      }),
    ),
    start: Type.Integer({ minimum: 0, default: 1, description: 'With `page`: number of the first page.' }),
    size: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Records in a full page. Not needed with `stop.shortPage.limit`.' }),
    ),
    stop: Type.Optional(
      Type.Object(
        {
          shortPage: Type.Optional(
            Type.Object(
              {
                count: Type.Optional(
                  Type.Object(location, {
                    description:
                      'Location of the number of records in the page. A page with any other number is fetched again.',
                  }),
                ),
                limit: Type.Optional(
                  Type.Object(location, {
                    description: 'Location of the size of a full page. Default: `size`.',
                  }),
                ),
              },
              {
                description: 'Stops at a page that is not full. A full page without a cursor is then an error.',
              },
            ),
          ),
          more: Type.Optional(
            Type.Object(location, {
              description: 'Location of true or false: whether more pages follow.',
            }),
          ),
          emptyPage: Type.Optional(Type.Boolean({ description: 'Stops at an empty page, even if it has a cursor.' })),
        },
        {
          description:
            'How to recognize the last page. Default: it has no cursor or link; with `page` and `offset`, it is empty.',
        },
      ),
    ),
    maxPages: Type.Integer({
      minimum: 1,
      default: 100_000,
      description: 'Maximum pages per window. A longer window fails.',
    }),
  },
  { description: 'Pagination. Default: a single page.' },
)
