/** What one scrape of `/metrics` shows. */
export interface Scrape {
  /** When, in epoch seconds. */
  readonly at: number
  /** By the series as it is written: `name{label="value"}`. */
  readonly values: ReadonlyMap<string, number>
  /** By the name of the metric: `counter`, `gauge`, `histogram`, `summary`. */
  readonly types: ReadonlyMap<string, string>
}

/** Scrapes a process as Prometheus does. Returns undefined while nobody listens. */
export async function scrape(port: number): Promise<Scrape | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
  if (response === undefined) return undefined
  return parseExposition(await response.text(), Date.now() / 1000)
}

function parseExposition(text: string, at: number): Scrape {
  const values = new Map<string, number>()
  const types = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, metric = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (metric !== '') types.set(metric, type)
    const [, series = '', value = ''] = /^([a-z]\w*(?:\{.*\})?) (\S+)$/.exec(line) ?? []
    if (series !== '') values.set(series, Number(value.replace('Inf', 'Infinity')))
  }
  return { at, values, types }
}

export function metricOf(series: string): string {
  return series.replace(/\{.*$/, '')
}

/** The sum of all series of a metric whose labels contain this text. */
export function total({ values }: Scrape, metric: string, labels = ''): number {
  const found = [...values].filter(([series]) => metricOf(series) === metric && series.includes(labels))
  return found.reduce((sum, [, value]) => sum + value, 0)
}
