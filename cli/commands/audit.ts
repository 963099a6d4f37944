import { type Command, environmentOptions, keyPositional } from '../command.ts'

export const auditVerify: Command = {
  path: ['audit', 'verify'],
  describe: 'Check every signature, every hash and every secret of an environment',
  options: {
    ...environmentOptions,
    checkpoint: {
      type: 'text',
      value: 'file',
      describe: 'And that no log is shorter, or another one, than when audit checkpoint wrote this file',
    },
  },
  examples: [
    'audit verify -e production',
    'audit verify -e production --checkpoint production.checkpoint.json',
  ],
  load: async () => (await import('../actions/audit.ts')).verifyAudit,
}

export const auditLog: Command = {
  path: ['audit', 'log'],
  describe: 'The chain of signed entries: of one key, or of the environment and all its keys',
  positional: { ...keyPositional, required: false },
  options: environmentOptions,
  examples: ['audit log -e production', 'audit log session-tokens --output json'],
  load: async () => (await import('../actions/audit-log.ts')).showLog,
}

export const auditCheckpoint: Command = {
  path: ['audit', 'checkpoint'],
  describe: 'Write how far every log reaches, to be kept where the store cannot be reached from',
  options: {
    ...environmentOptions,
    out: {
      type: 'text',
      value: 'file',
      describe: 'Write to this file instead of stdout; one that is there is checked first',
    },
  },
  examples: ['audit checkpoint -e production --out production.checkpoint.json'],
  load: async () => (await import('../actions/audit-checkpoint.ts')).writeCheckpoint,
}
