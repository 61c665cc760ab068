import { METRICS } from '../observe/metrics/table.ts'
import { HEADER, tableOf } from './pages.ts'

/** The page with all metrics, in Markdown. */
export function metricsPage(): string {
  return [
    HEADER,
    INTRODUCTION,
    '## What is committed',
    COMMITTED,
    tableSince('state'),
    '## Since the process began',
    RISING,
    tableSince('process'),
    '## Now',
    NOW,
    tableSince('now'),
    REST,
  ].join('\n\n')
}

function tableSince(since: 'state' | 'process' | 'now'): string {
  const rows = Object.entries(METRICS)
    .filter(([, declaration]) => declaration.since === since)
    .map(([name, { type, labels, help }]) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      help,
    ])
  return tableOf(['metric', 'type', 'labels', 'meaning'], rows)
}

const INTRODUCTION = `# Metrics and health

\`sluice run\` and \`sluice backfill\` serve the metrics of their pipelines in the text format of
Prometheus, and say whether they are ready:

\`\`\`sh
sluice run events --follow --metrics 127.0.0.1:9464 --max-lag 15m
\`\`\`

| path       | answer                                                                    | token |
| ---------- | ------------------------------------------------------------------------- | ----- |
| \`/metrics\` | All metrics of this page, and those of Node.js.                           | yes   |
| \`/healthz\` | 200 while the process lives.                                              | no    |
| \`/readyz\`  | 200, or 503 if a pipeline is not ready. The reasons, as JSON, if allowed. | no    |

Several pipelines of a process share the address; each metric has the label \`pipeline\`. The server
answers GET and HEAD only. It ends with the process and never keeps it alive; if the address cannot be
used, the command ends before it begins.

## Who can read them

On a loopback address (\`127.0.0.1\`, \`[::1]\`, \`localhost\`, or a port alone) no token is needed. Any
other address needs one, from the variable \`SLUICE_METRICS_TOKEN\` or from a file
(\`--metrics-token-file\`): other users would see it on the command line. It has at least 16 characters;
\`openssl rand -hex 32\` makes one. \`--metrics-open\` serves everything to everybody instead, for a network
that is closed by other means.

\`\`\`yml
# prometheus.yml
scrape_configs:
  - job_name: sluice
    authorization: { credentials_file: /etc/prometheus/sluice-token }
    static_configs: [{ targets: ['collector:9464'] }]
\`\`\`

With a token, \`/metrics\` needs it everywhere, and compares it in constant time. \`/healthz\` and \`/readyz\`
answer without one, because probes of Kubernetes send none: they then give the status and no reasons.
Metrics and reasons have no content of records. They have names of pipelines, tenants, stages and
sinks, and hosts.

## Ready

\`\`\`json
{
  "ready": false,
  "pipelines": {
    "events": {
      "ready": false,
      "reasons": ["the sink sink is away: ECONNREFUSED at http://127.0.0.1:9000 for 12 s"],
      "freshnessSeconds": 74.2
    }
  }
}
\`\`\`

A process is ready if all of its pipelines are. A pipeline is ready if

- **it owns its state**, which is open;
- **the source has answered**: its last request got a response below 500, of each host that it asks. A
  source that sends no requests that Sluice sees (files, most custom ones) counts as there;
- **no sink is away**, likewise. A sink that nothing was sent to yet counts as there, and so does one
  that had nothing to do since. A full outbox is a reason of its own;
- **it does not lag**, if \`--max-lag\` is given: the source partition that is the furthest back is
  committed up to an event time that is not older. Sources without event times never lag. Give more
  than \`window.lag\`, \`poll\` and \`roll.maxAge\` together, which are 11 minutes by default;
- **its last run has not failed**. Between two runs of a process a pipeline is ready.

A follower waits between its polls, and a store is not asked while there is nothing to publish. So,
while somebody asks for \`/readyz\` (at least once a minute), each host whose last request was more than
1.5 seconds ago is looked at every 2 seconds: a TCP connection without a request, or, after a response
with 5xx, a \`HEAD /\` without credentials. A host that goes away or comes back shows within 5 seconds,
and the answer never waits for it. Behind a proxy only real requests count.

Use \`/healthz\` for liveness and \`/readyz\` for readiness: a restart does not bring back a store.`

const COMMITTED = `These counters are taken when an epoch is committed, from the same numbers as the report, and begin
with the totals of the state. So a crash counts nothing twice and loses nothing, they agree with
\`sluice state show\` to the record, and \`increase()\` sees no reset at a restart:
\`read + added = written + dropped + duplicate + rejected\`. A stream sink (\`stdout\`) has no state, and none
of them.`

const RISING = `These begin at 0 with the process. They count what happens, also if a crash lets the next run do it
again. In a backfill with \`--workers\` or \`--queue\`, the numbers of partitions and stages arrive when the
execution of a shard is over, also if its result is not committed; requests of the workers are not in
them.`

const NOW = `Times are seconds since 1970. A gauge that is not known is absent.`

const REST = `Those of Node.js and the process begin with \`sluice_nodejs_\` and \`sluice_process_\`: the delay of the
event loop, memory, garbage collection, CPU time, open file descriptors.

## Labels

| label       | values                                                                                        |
| ----------- | --------------------------------------------------------------------------------------------- |
| \`pipeline\`  | Name of the pipeline.                                                                         |
| \`partition\` | Source partition, as in \`sluice state show\`. The first 100 (\`--metrics-partitions\`).          |
| \`stage\`     | Name of a transform; \`source\`, \`delivery\`. Of requests to S3: name of the source or sink.     |
| \`sink\`      | Name of the sink; \`sink\` in a pipeline file with one, \`rejects\` for the dead-letter queue's.  |
| \`code\`      | Reject code, or error code of Sluice. The first 100 reject codes.                             |
| \`reason\`    | Why records were dropped: name of a stage, \`routes\`. The first 100.                           |
| \`status\`    | HTTP status, or \`none\` without a response.                                                    |
| \`operation\` | Operation of S3 or STS: \`PutObject\`, \`AssumeRole\`.                                            |

So the configuration bounds the number of time series. What is beyond a limit is summed up with the
label \`other\`; for event times, \`other\` is the worst of them. A source of files has a partition for each
input: \`--metrics-partitions 0\` sums all of them up.

## Useful queries

| question                        | PromQL                                                                                            |
| ------------------------------- | ------------------------------------------------------------------------------------------------- |
| how far behind is it            | \`max by (pipeline) (sluice_freshness_seconds)\`                                                    |
| which stage takes the time      | \`sum by (pipeline, stage) (rate(sluice_stage_seconds_total[5m]))\`                                 |
| how full is the outbox          | \`sluice_outbox_bytes / sluice_outbox_max_bytes\`                                                   |
| what is rejected                | \`sum by (pipeline, code) (increase(sluice_records_rejected_total[1h]))\`                           |
| does the API slow us down       | \`rate(sluice_source_rate_limit_wait_seconds_total[5m])\`                                           |
| how late do events arrive       | \`histogram_quantile(0.99, rate(sluice_lateness_seconds_bucket[1d]))\`                              |`
