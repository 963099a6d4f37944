import { formatMetrics, type MetricFamily, type Sample } from '../../metrics/exposition.ts'
import type { JwksPublisher } from './publisher.ts'

/** How a publisher is doing, for Prometheus: alert on `keyturn_jwks_behind`, before it becomes `keyturn_jwks_serving 0`. */
export function formatPublisherMetrics(
  publisher: JwksPublisher,
  requests: ReadonlyMap<number, number>,
): string {
  const status = publisher.status()
  const { environment } = status
  const labels = { environment }
  const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => {
    return { name, help, type: 'gauge', samples }
  }
  const counter = (name: string, help: string, samples: readonly Sample[]): MetricFamily => {
    return { name, help, type: 'counter', samples }
  }
  const byKey = status.keys.map((key) => ({ labels: { environment, key: key.name }, ...key }))
  return formatMetrics([
    gauge('keyturn_jwks_serving', 'Whether there is anything that can be served.', [
      { labels, value: Number(status.isServing) },
    ]),
    gauge('keyturn_jwks_behind', 'Whether the last read of the backend failed.', [
      { labels, value: Number(status.isBehind) },
    ]),
    gauge(
      'keyturn_jwks_read_timestamp_seconds',
      'When the last successful read of the backend was started.',
      [{ labels, value: status.readAt }],
    ),
    counter('keyturn_jwks_reads_total', 'Reads of the backend.', [{ labels, value: status.reads }]),
    counter('keyturn_jwks_failed_reads_total', 'Reads of the backend that failed.', [
      { labels, value: status.failedReads },
    ]),
    gauge('keyturn_jwks_unreadable_keys', 'Keys that the last read could not use.', [
      { labels, value: status.unreadable.length },
    ]),
    gauge(
      'keyturn_jwks_record_age_seconds',
      'How old what is known of a key is.',
      byKey.map(({ labels: own, ageSeconds }) => ({ labels: own, value: ageSeconds })),
    ),
    gauge(
      'keyturn_jwks_record_max_age_seconds',
      'Older than this, a key is not served.',
      byKey.map(({ labels: own, maxStaleSeconds }) => ({ labels: own, value: maxStaleSeconds })),
    ),
    gauge(
      'keyturn_jwks_published_keys',
      'Public keys in the JWKS of a key.',
      byKey.flatMap(({ labels: own, name }) => {
        const found = publisher.find(name)
        return found.status === 'served' ? [{ labels: own, value: found.keys }] : []
      }),
    ),
    counter(
      'keyturn_jwks_requests_total',
      'Requests by the status of their answer.',
      [...requests].map(([code, value]) => ({ labels: { environment, code: String(code) }, value })),
    ),
  ])
}
