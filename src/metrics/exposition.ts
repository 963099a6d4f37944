/** One value of a metric, told apart from the others by its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric and its samples. Names follow the conventions of Prometheus: a unit at the end, `_total` on counters. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly Sample[]
}

/** What `formatMetrics` writes, as a media type. */
export const METRICS_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Writes metrics in the Prometheus text exposition format 0.0.4, which a scrape and the textfile collector of the node
 * exporter both read. Families without samples are left out.
 */
export function formatMetrics(families: readonly MetricFamily[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(formatFamily)
    .join('')
}

function formatFamily({ name, help, type, samples }: MetricFamily): string {
  const lines = samples.map(
    ({ labels = {}, value }) => `${name}${formatLabels(labels)} ${formatValue(value)}`,
  )
  return `# HELP ${name} ${escapeText(help, false)}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeText(value, true)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}

function escapeText(text: string, isQuoted: boolean): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return isQuoted ? escaped.replaceAll('"', '\\"') : escaped
}
