import { type Command, environmentOptions } from '../command.ts'

export const report: Command = {
  path: ['report'],
  describe: 'A page to look at: every key, its timeline, what is overdue and what to do',
  options: {
    ...environmentOptions,
    html: {
      type: 'text',
      value: 'file',
      required: true,
      describe: 'Write the page to this file; - for stdout',
    },
  },
  examples: ['report -e production --html report.html'],
  load: async () => (await import('../actions/report.ts')).report,
}
