import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { ConfigurationError, loadLocalBackend } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { CONFIG_FILE, type ConfiguredEnvironment, loadConfig } from '../config/config.ts'
import { findConfig, variable } from '../config/find.ts'
import { chooseEnvironment, keyFileGiven, pathGiven } from '../config/settings.ts'
import { addEnvironment, writtenPath } from '../config/write.ts'
import type { Context, Result } from '../context.ts'
import { usageError } from '../errors.ts'
import type { Io } from '../io.ts'
import { isPipe, readNewPassphrase } from '../passphrase.ts'
import { renderFacts } from '../render.ts'
import { attributionOf } from '../session.ts'
import { initCloud, refuseOptionsOfOthers, setUpElsewhere } from './init-cloud.ts'

/** What is to be made, with every path absolute. */
interface Plan {
  readonly environment: string
  readonly configFile: string
  readonly store: string
  readonly protection:
    | { readonly kind: 'key-file'; readonly path: string }
    | { readonly kind: 'passphrase'; readonly path: string }
  readonly issuer?: string
}

/** Makes an environment, in a local key store unless `--backend` names a cloud. */
export const init: Action = async (context, args) => {
  const kind = args.text('backend') ?? 'local'
  refuseOptionsOfOthers(args, kind)
  return kind === 'local' ? initLocal(context, args) : initCloud(context, args, kind)
}

/**
 * Makes a key file, then the environment, then the entry in the configuration. Each is whole when it is there, and what is
 * there already is taken up, so that an interrupted run is completed by running it again.
 */
const initLocal: Action = async (context, args) => {
  const { io } = context
  const environment = chooseEnvironment(args, io)
  const configFile = findConfig(args, io) ?? join(resolve(io.cwd), CONFIG_FILE)
  const known = existsSync(configFile) ? loadConfig(configFile).environments.get(environment) : undefined
  if (known) {
    await confirmKnown(context, args, environment, configFile, known)
    return undefined
  }
  const plan = planOf(args, io, environment, configFile)
  await context.note(
    `keyturn: working on environment ${environment}, local store ${plan.store}, configuration ${configFile}`,
  )
  const { rootThumbprint, isNew } = await createOrRecover(context, args, plan)
  const { protection, store, issuer } = plan
  const written = (path: string): string => writtenPath(configFile, path)
  await addEnvironment(configFile, environment, {
    backend: {
      kind: 'local',
      store: written(store),
      ...(protection.kind === 'key-file' ? { masterKeyFile: written(protection.path) } : {}),
      ...(protection.kind === 'passphrase' && protection.path !== '-' && !isPipe(protection.path)
        ? { passphraseFile: written(protection.path) }
        : {}),
    },
    pins: { rootThumbprint },
    ...(issuer === undefined ? {} : { issuer }),
  })
  await context.succeed(present(plan, rootThumbprint))
  if (!isNew) await context.note('The environment was there already; now the configuration has it.')
  await advise(context, plan)
  return undefined
}

function planOf(args: Arguments, io: Io, environment: string, configFile: string): Plan {
  const store = pathGiven(args, io, 'store', 'KEYTURN_STORE') ?? join(dirname(configFile), '.keyturn')
  const keyFile = keyFileGiven(args, io)
  if (keyFile?.kind === 'role-key-file') {
    throw usageError('an environment is not made with a role key', 'Unset KEYTURN_ROLE_KEY_FILE')
  }
  const issuer = args.text('issuer') ?? variable(io, 'KEYTURN_ISSUER')
  return {
    environment,
    configFile,
    store,
    protection:
      keyFile?.kind === 'passphrase-file'
        ? { kind: 'passphrase', path: keyFile.path }
        : { kind: 'key-file', path: keyFile?.path ?? defaultKeyFile(io, store, environment) },
    ...(issuer === undefined ? {} : { issuer }),
  }
}

/** Outside the store, since copies of the store should not carry its key along; and the same whenever it is asked for. */
function defaultKeyFile(io: Io, store: string, environment: string): string {
  const folder = absolute(io, 'XDG_CONFIG_HOME') ?? join(absolute(io, 'HOME') ?? homedir(), '.config')
  const parent = existsSync(dirname(store)) ? realpathSync(dirname(store)) : dirname(store)
  const id = createHash('sha256')
    .update(join(parent, basename(store)))
    .digest('hex')
    .slice(0, 12)
  const label = basename(parent).replaceAll(/[^A-Za-z0-9_-]/g, '') || 'store'
  return join(folder, 'keyturn', `${label}-${id}`, `${environment}.master-key.json`)
}

/** The XDG specification has relative paths ignored; the key would end up beside what it opens. */
function absolute(io: Io, name: string): string | undefined {
  const path = variable(io, name)
  return path !== undefined && isAbsolute(path) ? path : undefined
}

async function createOrRecover(
  context: Context,
  args: Arguments,
  plan: Plan,
): Promise<{ readonly rootThumbprint: string; readonly isNew: boolean }> {
  const { createLocalEnvironment, recoverRootThumbprint } = await loadLocalBackend()
  const { environment, store } = plan
  const protection =
    plan.protection.kind === 'key-file'
      ? plan.protection
      : ({
          kind: 'passphrase',
          passphrase: await readNewPassphrase(context, environment, plan.protection.path),
        } as const)
  const attribution = attributionOf(args)
  const hadKey = protection.kind === 'passphrase' || existsSync(protection.path)
  context.signal.throwIfAborted()
  try {
    const made = await createLocalEnvironment({
      store,
      environment,
      protection,
      now: context.now(),
      attribution,
    })
    if (hadKey && protection.kind === 'key-file') {
      await context.note(`The key file ${protection.path} was there already, and is used.`)
    }
    return { ...made, isNew: true }
  } catch (error) {
    if (!(error instanceof ConfigurationError) || !hadKey) throw error
    const found = await recoverRootThumbprint({ store, environment, protection }).catch((second: unknown) => {
      // That the environment is there already says more than why it cannot be opened in this way.
      throw second instanceof ConfigurationError ? error : second
    })
    return { ...found, isNew: false }
  }
}

/** The configuration has the environment: nothing is made, and what it says must hold. */
async function confirmKnown(
  context: Context,
  args: Arguments,
  environment: string,
  configFile: string,
  known: ConfiguredEnvironment,
): Promise<void> {
  const { backend } = known
  if (backend.kind === 'unknown') return backend.refuse()
  if (backend.kind !== 'local') throw setUpElsewhere(environment, known)
  const { rootThumbprint } = backend
  const store = pathGiven(args, context.io, 'store', 'KEYTURN_STORE')
  if (store !== undefined && store !== backend.store) {
    throw new ConfigurationError(
      `${known.file} has ${environment} in the store ${backend.store}, not in ${store}`,
      {
        advice: 'Leave out --store, or choose another name for the environment',
      },
    )
  }
  const issuer = args.text('issuer')
  if (issuer !== undefined && issuer !== known.issuer) {
    throw new ConfigurationError(`${environment} is set up already, with another issuer`, {
      advice: `Change it in ${known.file}: nothing was changed`,
    })
  }
  if (args.text('passphrase-file') !== undefined && backend.keyFile?.kind === 'master-key-file') {
    throw new ConfigurationError(`${environment} is set up already, with a master key file`, {
      advice: 'Leave out --passphrase-file: nothing was changed',
    })
  }
  const { showLocalEnvironment } = await loadLocalBackend()
  await showLocalEnvironment({ store: backend.store, rootThumbprint }, environment)
  await context.succeed({
    json: { environment, changed: false, store: backend.store, config: configFile, rootThumbprint },
    text: () => `${environment} is set up already: nothing was changed`,
  })
}

function present({ environment, store, configFile, protection }: Plan, rootThumbprint: string): Result {
  const masterKeyFile = protection.kind === 'key-file' ? protection.path : undefined
  return {
    json: {
      environment,
      changed: true,
      store,
      config: configFile,
      rootThumbprint,
      protection: protection.kind,
      ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
    },
    text: () =>
      renderFacts({
        environment,
        store,
        configuration: configFile,
        'root thumbprint': rootThumbprint,
        'master key file': masterKeyFile,
        'master key': masterKeyFile === undefined ? 'protected by the passphrase' : undefined,
      }),
  }
}

async function advise(context: Context, { protection, store, environment, configFile }: Plan): Promise<void> {
  await context.note(
    protection.kind === 'key-file'
      ? `Back up ${protection.path} apart from the store: without it, nothing in ${environment} opens, and nobody can help.`
      : `Keep the passphrase safe: without it, nothing in ${environment} opens, and nobody can help.`,
  )
  const isKeyBeside = protection.kind === 'key-file' && dirname(protection.path) === dirname(configFile)
  await context.note(
    isKeyBeside
      ? `In a repository, ignore the store and the key file: printf '%s\\n' '${basename(store)}/' '${basename(protection.path)}' >> .gitignore`
      : `In a repository, ignore the store: echo '${basename(store)}/' >> .gitignore`,
  )
}
