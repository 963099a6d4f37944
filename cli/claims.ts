import { InvalidInputError, type JsonObject, KeyturnError, parseStrictJsonObject } from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { usageError } from './errors.ts'
import { readJsonArgument } from './input.ts'

/** The claims of `--claims`. The message of an error never quotes them. */
export async function readClaims(context: Context, args: Arguments): Promise<JsonObject> {
  const source = await readJsonArgument(context, args.required('claims'), 'claims')
  try {
    return parseStrictJsonObject(source)
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    throw new InvalidInputError(`the claims are refused: ${error.message}`, {
      advice: `Give them as a JSON object, such as '{"sub":"user_1"}', or as @FILE or -`,
    })
  }
}

/** `--context name=value`, as often as there are pairs. @throws CliError `usage` */
export function contextOf(args: Arguments): { readonly context?: Readonly<Record<string, string>> } {
  const pairs = args.list('context').map((text) => {
    const at = text.indexOf('=')
    if (at < 1)
      throw usageError(`--context ${text} is not a name and a value`, 'Write it as in table=patients')
    return [text.slice(0, at), text.slice(at + 1)] as const
  })
  const context = new Map<string, string>()
  for (const [name, value] of pairs) {
    if (context.has(name))
      throw usageError(`--context ${name} is given more than once`, 'Give each name once')
    context.set(name, value)
  }
  return context.size === 0 ? {} : { context: Object.fromEntries(context) }
}

/** Whom a token is for: one name, or a list of them. */
export function audienceOf(args: Arguments): { readonly audience?: string | readonly string[] } {
  const audience = args.list('audience')
  const [only] = audience
  if (only === undefined) return {}
  return { audience: audience.length === 1 ? only : audience }
}

export function expiresInOf(args: Arguments): { readonly expiresIn?: string } {
  const expiresIn = args.text('expires-in')
  return expiresIn === undefined ? {} : { expiresIn }
}
