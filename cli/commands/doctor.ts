import { type Command, environmentOptions } from '../command.ts'

export const doctor: Command = {
  path: ['doctor'],
  describe: 'Find what an interrupted command left behind, what disagrees, and what should be looked at',
  options: {
    ...environmentOptions,
    fix: { type: 'flag', describe: 'Put right what is safe to put right, and say what was done' },
  },
  examples: ['doctor -e production', 'doctor -e production --fix'],
  load: async () => (await import('../actions/doctor.ts')).doctor,
}
