import type { Action } from '../command.ts'
import { commands } from '../commands/index.ts'
import { bashCompletion, zshCompletion } from '../completion.ts'

export const printCompletion: Action = async (context, args) => {
  const script = args.required('shell') === 'zsh' ? zshCompletion(commands) : bashCompletion(commands)
  if (context.isJson) await context.succeed({ json: { script }, text: () => script })
  else await context.write(script)
  return undefined
}
