import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningCommand } from './command.ts'

/** One line of the text format. */
export interface Sample {
  readonly name: string
  readonly labels: { readonly [label: string]: string }
  readonly value: number
}

/** The address at which a process serves its metrics, once it does. @throws if the process ends before */
export async function metricsUrl(running: RunningCommand): Promise<string> {
  let hasEnded = false
  void running.ended.then(() => (hasEnded = true))
  for (;;) {
    const [, url] = /metrics and health are served.*?(http:\/\/[^\s"]+)/.exec(running.output.stderr) ?? []
    if (url !== undefined) return url
    if (hasEnded) throw new Error(`it has ended: ${running.output.stderr}`)
    await sleep(10)
  }
}

export async function scrape(url: string): Promise<Sample[]> {
  const response = await fetch(`${url}/metrics`)
  if (response.status !== 200) throw new Error(`/metrics: ${response.status}`)
  return samplesIn(await response.text())
}

export function samplesIn(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text_]) => [label, text_])
      return { name, labels: Object.fromEntries(pairs), value: value === '+Inf' ? Infinity : Number(value) }
    })
}

/** The sum of a metric over all labels but these. Undefined if there is none. */
export function valueOf(
  samples: readonly Sample[],
  name: string,
  labels: { readonly [label: string]: string } = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

/** The values of a metric by one label. */
export function valuesBy(samples: readonly Sample[], name: string, label: string): { [value: string]: number } {
  return Object.fromEntries(
    samples.filter((sample) => sample.name === name).map(({ labels, value }) => [labels[label], value]),
  )
}

/** Asks again until the answer is accepted. @throws after the limit, in milliseconds */
export async function until<Answer>(
  ask: () => Promise<Answer>,
  accepts: (answer: Answer) => boolean,
  limit = 60_000,
): Promise<Answer> {
  const deadline = performance.now() + limit
  for (;;) {
    const answer = await ask()
    if (accepts(answer)) return answer
    if (performance.now() > deadline)
      throw new Error(`not within ${limit} ms: ${JSON.stringify(answer).slice(0, 2000)}`)
    await sleep(50)
  }
}
