import { type Command, environmentOptions, outOption } from '../command.ts'

export const metrics: Command = {
  path: ['metrics'],
  describe: 'Ages, due times and states of all keys, as Prometheus reads them',
  options: { ...environmentOptions, ...outOption },
  examples: [
    'metrics -e production',
    'metrics -e production --out /var/lib/node_exporter/textfile/keyturn.prom',
  ],
  load: async () => (await import('../actions/metrics.ts')).metrics,
}
