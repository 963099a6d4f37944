import {
  createJwksDocument,
  createKeyJwksDocument,
  type Finding,
  type JwksPublication,
  type KeyRecord,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import { chooseEnvironment, resolveSettings, type Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { collectKeys } from './findings.ts'
import { type KeyArgument, parseKeyArgument, readKey, type Use } from './key-argument.ts'
import { withBackend } from './session.ts'
import { viewFinding } from './views.ts'

const PUBLISHING: Use = { purpose: 'sign', doing: 'be published in a JWKS' }

/** Whose keys are to be published, as the command line says. */
export interface Publishing {
  readonly environment: string
  readonly settings: Settings
  /** One key; the whole environment where there is none. */
  readonly argument: KeyArgument | undefined
}

/** A document, and the keys that it was made of. */
export interface Collected extends JwksPublication {
  readonly keys: readonly KeyRecord[]
  readonly findings: readonly Finding[]
}

/** @param option the argument that may name a key */
export function publishingOf(context: Context, args: Arguments, option = 'key'): Publishing {
  const { io } = context
  const argument =
    args.text(option) === undefined ? undefined : parseKeyArgument(args, io, { use: PUBLISHING, option })
  const environment = argument?.environment ?? chooseEnvironment(args, io)
  return { environment, settings: resolveSettings(args, io, environment), argument }
}

/** Reads the records, which needs no secret. A key that cannot be read is left out of an environment's document, loudly. */
export async function collectPublication(context: Context, publishing: Publishing): Promise<Collected> {
  const { settings, argument } = publishing
  const options = { now: context.now() }
  return withBackend(context, settings, 'records', async (backend) => {
    if (argument) {
      const key = await readKey(backend, argument, context.call, PUBLISHING)
      return { ...createKeyJwksDocument(key, options), keys: [key], findings: [] }
    }
    const { keys, findings } = await collectKeys(backend, { purpose: 'sign' }, context.call)
    return { ...createJwksDocument(keys, options), keys, findings }
  })
}

/** What whoever publishes should be told, in JSON. */
export function viewRemarks({ warnings, findings }: Collected): Readonly<Record<string, unknown>> {
  return { warnings, findings: findings.map(viewFinding) }
}
