import { type Command, environmentOptions } from '../command.ts'

export const auditVerify: Command = {
  path: ['audit', 'verify'],
  describe: 'Check every signature, every hash and every secret of an environment',
  options: environmentOptions,
  examples: ['audit verify -e production'],
  load: async () => (await import('../actions/audit.ts')).verifyAudit,
}
