import { Type } from '../../fields/typebox.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { Choice, Duration, ExistingFile, Secret } from '../../fields/fields.ts'

/** Fields that `http` and its presets have in common. */
export const sharedFields = {
  rate: Type.Object(
    {
      perSecond: Type.Number({
        exclusiveMinimum: 0,
        default: 2,
        description: 'Most requests per second, of all tenants together.',
      }),
      concurrency: Type.Integer({
        minimum: 1,
        maximum: 64,
        default: 1,
        description: 'Most responses read at the same time.',
      }),
    },
    { default: {}, description: 'The pace at which the API is asked.' },
  ),
  retry: Type.Object(
    {
      attempts: Type.Integer({
        minimum: 1,
        default: 8,
        description: 'How often a page is asked for before its window fails.',
      }),
      maxDelay: Duration({
        default: '1m',
        description: 'Longest wait between two attempts; a Retry-After of the API is obeyed.',
      }),
    },
    { default: {}, description: 'What to do about 429, 500, 502, 503, 504, broken responses and network errors.' },
  ),
  timeout: Type.Object(
    {
      connect: Duration({ default: '10s', description: 'To connect.' }),
      headers: Duration({ default: '1m', description: 'Until a response begins.' }),
      body: Duration({ default: '1m', description: 'Between two parts of a response.' }),
      request: Duration({ default: '10m', description: 'All the time that one response may keep us waiting.' }),
    },
    { default: {}, description: 'Deadlines. Time in which the rest of the pipeline is busy does not count.' },
  ),
  poll: Duration({ default: '60s', description: 'With --follow: how long to wait for more when all is read.' }),
}

export const since = {
  description:
    'Where to begin when there is no state: a time such as 2024-03-04T00:00:00Z, or a duration back from now.',
}

/** Fields of `window` that do not differ between `http` and its presets. */
export const windowFields = {
  until: Type.Optional(
    Type.String({
      description: 'Where to end, as `since`; a run that follows ends there too. Default: it does not end.',
    }),
  ),
  lag: Duration({
    default: '5m',
    description: 'Records younger than this are left for the next window: they may still arrive.',
  }),
  overlap: Duration({ default: '5m', description: 'Every window begins this much before the end of the one before.' }),
  sweepEvery: Duration({ default: '15m', description: 'How long after a sweep the next window is one again.' }),
}

/** How far back a sweep goes. */
export const sweep = {
  description:
    'The overlap of a sweep: now and then a window begins this much earlier, for what the API shows late. The report tells how late records come.',
}

const place = {
  header: Type.Optional(Type.String({ minLength: 1, description: 'A header of the response.' })),
  body: Type.Optional(Type.String({ minLength: 1, description: 'Keys in the response, such as `meta.next`.' })),
}

export const tlsFields = Type.Object(
  {
    cert: Type.Optional(ExistingFile({ description: 'Certificate of this client (PEM), where the API asks for one.' })),
    key: Type.Optional(ExistingFile({ description: 'Its private key (PEM).' })),
    passphrase: Type.Optional(Secret({ description: 'Of the private key.' })),
    ca: Type.Optional(
      ExistingFile({
        description:
          'Certificates (PEM) that are trusted beside those of Node.js. For all connections of the process: NODE_EXTRA_CA_CERTS.',
      }),
    ),
  },
  { description: 'Certificates. Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.' },
)

/** How far back a repair goes. */
export const repairBack = {
  default: '7d',
  description:
    'How far back, once a day, the counts of the API per hour are compared with what they were when each hour was read; hours that differ are read again. Whole hours are compared: not the one that `since` cuts. Between 2d and 14d.',
}

const asked = {
  url: Type.String({ description: 'Where. The same origin as that of `request.url`.' }),
  method: Choice(['GET', 'POST'], { default: 'GET', description: 'How the API is asked.' }),
  query: Type.Record(Type.String(), Type.String(), { default: {}, description: 'Parameters of the URL.' }),
  body: Type.Optional(
    Type.Unsafe<JsonObject>(Type.Object({}, { additionalProperties: true, description: 'The body, sent as JSON.' })),
  ),
}

export const countFields = Type.Object(
  {
    ...asked,
    value: Type.Object(place, { description: 'Where the number is in the answer.' }),
  },
  {
    description:
      'Asks for the number of records in each window before it is read. A window with fewer records is read once more; if they are still missing, the log tells. It is sent with the headers of `request`.',
  },
)

export const repairFields = Type.Object(
  {
    ...asked,
    buckets: Type.String({
      minLength: 1,
      description: 'Where the list of counts is in the answer: $ is the answer itself, data.hours a path of keys.',
    }),
    start: Type.String({
      minLength: 1,
      description:
        'The key of a count that holds the beginning of its hour: RFC 3339 or milliseconds since 1970, a whole hour of UTC.',
    }),
    count: Type.String({ minLength: 1, description: 'The key of a count that holds the number.' }),
    back: Duration(repairBack),
  },
  {
    description:
      'Asks for the number of records in each hour between {window.start} and {window.end}: before a window of an hour or more is read, and once a day of all hours back to `back`. An hour that has got another number since it was read is read again, for what the API shows very late. It is sent with the headers of `request`.',
  },
)

export const paginateFields = Type.Object(
  {
    type: Type.Unsafe<'cursor' | 'link' | 'page' | 'offset'>(
      Type.String({
        enum: ['cursor', 'link', 'page', 'offset'],
        description:
          'cursor: the response names what to send for the next page. link: it holds the URL of the next page. page, offset: pages or records are counted.',
      }),
    ),
    from: Type.Optional(
      Type.Object(place, {
        description:
          'Where the cursor or link is in a response. A link is by default in the Link header, with rel=next.',
      }),
    ),
    into: Type.Optional(
      Type.Object(
        {
          header: Type.Optional(Type.String({ minLength: 1, description: 'A header of the request.' })),
          query: Type.Optional(Type.String({ minLength: 1, description: 'A parameter of the URL.' })),
          body: Type.Optional(Type.String({ minLength: 1, description: 'Keys in the body of the request.' })),
        },
        { description: 'Where the cursor, page number or offset goes; placeholders in the request do the same.' },
      ),
    ),
    alone: Type.Optional(
      Type.Boolean({
        description:
          'For cursor: the query or body that it goes into holds nothing else on later pages, since it stands for all of them.',
      }),
    ),
    start: Type.Integer({ minimum: 0, default: 1, description: 'For page: number of the first page.' }),
    size: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Records in a full page, where `stop.shortPage.limit` does not tell.' }),
    ),
    stop: Type.Optional(
      Type.Object(
        {
          shortPage: Type.Optional(
            Type.Object(
              {
                count: Type.Optional(
                  Type.Object(place, {
                    description: 'Where the response tells how many records it has: compared with what came.',
                  }),
                ),
                limit: Type.Optional(
                  Type.Object(place, {
                    description: 'Where the response tells the size of a full page. Default: `size`.',
                  }),
                ),
              },
              {
                description:
                  'The last page is the one that is not full. A full page without a cursor is then an error.',
              },
            ),
          ),
          more: Type.Optional(
            Type.Object(place, {
              description: 'Where the response tells, with true or false, whether there are more pages.',
            }),
          ),
          emptyPage: Type.Optional(
            Type.Boolean({ description: 'The last page is an empty one, even if it has a cursor.' }),
          ),
        },
        {
          description:
            'How the last page is known. By default it has no cursor or link; with page and offset it is empty.',
        },
      ),
    ),
    maxPages: Type.Integer({ minimum: 1, default: 100_000, description: 'A window of more pages fails.' }),
  },
  { description: 'How the next page is asked for. Default: there is one page.' },
)
