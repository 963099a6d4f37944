import { existsSync } from 'node:fs'
import { ConfigurationError, type LocalBackendConfig, loadLocalBackend } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { KeyFile, LocalSettings } from '../config/backends.ts'
import { changeLocalEnvironment } from '../config/change.ts'
import { chooseEnvironment, requireLocal, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { localConfigOf } from '../local-session.ts'
import { type NewProtection, newKeyFileGiven, readNewProtection } from '../new-protection.ts'
import { readPassphrase } from '../passphrase.ts'
import { renderFacts } from '../render.ts'
import { attributionOf, settingsForChange } from '../session.ts'

/** What became of the environment, and of what opens it. */
interface Rekeyed {
  readonly rootThumbprint: string
  readonly formerRootThumbprint?: string | undefined
  readonly epoch: number
  readonly keys: number
  readonly keyFile: KeyFile | null
}

/**
 * First the store, then the configuration. Where it was interrupted in between, or was done on another host, the configuration
 * pins a former root: doing it again completes it, and replaces nothing a second time.
 */
export const rekeyEnvironment: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = await settingsForChange(context, args, environment)
  const local = requireLocal(settings)
  const missed = await epochMissed(environment, local)
  const rekeyed =
    missed === undefined
      ? await replace(context, args, settings, local)
      : await complete(context, args, environment, local, missed)
  const { rootThumbprint, epoch, keys, keyFile } = rekeyed
  const file = await changeLocalEnvironment(settings, { rootThumbprint, keyFile })
  const masterKeyFile = keyFile?.kind === 'master-key-file' ? keyFile.path : undefined
  await context.succeed({
    json: {
      environment,
      changed: missed === undefined,
      epoch,
      rootThumbprint,
      formerRootThumbprint: rekeyed.formerRootThumbprint,
      keys,
      protection: masterKeyFile === undefined ? 'passphrase' : 'key-file',
      ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
      ...(file === undefined ? {} : { config: file }),
    },
    text: () =>
      renderFacts({
        environment,
        epoch: String(epoch),
        'root thumbprint': rootThumbprint,
        keys: `${keys}, every secret encrypted anew`,
        'master key file': masterKeyFile,
        'master key': masterKeyFile === undefined ? 'protected by the passphrase' : undefined,
        configuration: file,
      }),
  })
  await advise(context, environment, local, rekeyed, file)
  return undefined
}

/** The epoch of the store, where the configuration pins the root of an earlier one. */
async function epochMissed(
  environment: string,
  { store, rootThumbprint }: LocalSettings,
): Promise<number | undefined> {
  if (rootThumbprint === undefined) return undefined
  const { showLocalEnvironment } = await loadLocalBackend()
  const present = await showLocalEnvironment({ store, rootThumbprint }, environment)
  return present.rootThumbprint === rootThumbprint ? undefined : present.epoch
}

async function replace(
  context: Context,
  args: Arguments,
  settings: Settings,
  local: LocalSettings,
): Promise<Rekeyed> {
  const { environment } = settings
  await context.confirm(
    environment,
    args.text('confirm'),
    `the present master key of ${environment}, every copy of it and every role key will open nothing any more`,
  )
  const config = await localConfigOf(context, settings, 'secrets')
  await config.passphrase?.()
  const { rekeyLocalEnvironment, showLocalEnvironment } = await loadLocalBackend()
  const { epoch } = await showLocalEnvironment(config, environment)
  const given = newKeyFileGiven(context, args) ?? besideThePresent(local.keyFile, epoch + 1)
  const made = await readNewProtection(context, environment, given)
  const hadKey = made.protection.kind === 'key-file' && existsSync(made.protection.path)
  const { protection, keyFile } = made
  const attribution = attributionOf(args)
  const request = { protection, now: context.now(), attribution }
  const result = await rekeyLocalEnvironment(config, environment, request)
  if (hadKey) await context.note(`The key file ${keyFile?.path} was there already, and is used.`)
  return { ...result, keyFile }
}

/** `production.master-key-2.json` for the second one: the same whenever it is asked for. */
function besideThePresent(present: KeyFile | undefined, epoch: number): KeyFile | undefined {
  if (present?.kind !== 'master-key-file') return undefined
  const path = `${present.path.replace(/(-\d+)?(\.json)?$/, '')}-${epoch}.json`
  return { kind: 'master-key-file', path }
}

/** The master key was replaced already: what is left is to tidy up, and to say so in the configuration. */
async function complete(
  context: Context,
  args: Arguments,
  environment: string,
  local: LocalSettings,
  epoch: number,
): Promise<Rekeyed> {
  await context.note(
    `${environment} has got another master key since its root was entered in the configuration: nothing is replaced again.`,
  )
  const { finishLocalRekey, showLocalEnvironment } = await loadLocalBackend()
  const { store, rootThumbprint } = local
  const present = await showLocalEnvironment({ store, rootThumbprint }, environment)
  const given = newKeyFileGiven(context, args) ?? besideThePresent(local.keyFile, epoch)
  const keyFile = present.protection === 'key-file' ? given : (given ?? null)
  if (present.protection === 'key-file' && !(keyFile && existsSync(keyFile.path))) {
    throw new ConfigurationError(`the present master key of ${environment} is in a file that is not here`, {
      advice: 'Name it with --new-master-key-file. It is where the rekey was done',
    })
  }
  const opened = await openedBy(context, environment, local, keyFile ?? null)
  const result = await finishLocalRekey(opened.config, environment)
  return { ...result, formerRootThumbprint: rootThumbprint, keyFile: opened.keyFile }
}

async function openedBy(
  context: Context,
  environment: string,
  { store, rootThumbprint }: LocalSettings,
  keyFile: KeyFile | null,
): Promise<Pick<NewProtection, 'keyFile'> & { readonly config: LocalBackendConfig }> {
  const config = { kind: 'local', store, rootThumbprint } as const
  if (keyFile?.kind === 'master-key-file') {
    return { keyFile, config: { ...config, masterKeyFile: keyFile.path } }
  }
  const passphrase = await readPassphrase(context, environment, keyFile?.path, '--new-passphrase-file')
  return {
    keyFile: keyFile?.path === '-' ? null : keyFile,
    config: { ...config, passphrase: () => passphrase },
  }
}

async function advise(
  context: Context,
  environment: string,
  { keyFile: former }: LocalSettings,
  { keyFile, rootThumbprint, formerRootThumbprint }: Rekeyed,
  file: string | undefined,
): Promise<void> {
  const roleKey = (purpose: string): string =>
    `keyturn environment role-key -e ${environment} --purpose ${purpose} --out FILE`
  await context.note(`Role keys must be issued anew: ${roleKey('sign')}, and ${roleKey('encrypt')}.`)
  await context.note(
    keyFile?.kind === 'master-key-file'
      ? `Back up ${keyFile.path} apart from the store: without it, nothing in ${environment} opens, and nobody can help.`
      : `Keep the passphrase safe: without it, nothing in ${environment} opens, and nobody can help.`,
  )
  if (former?.kind === 'master-key-file') {
    await context.note(
      `${former.path} still opens backups from before. Remove it once there are none, or at once if it has leaked.`,
    )
  }
  const where = file === undefined ? 'In every configuration' : 'In every other configuration'
  await context.note(
    `${where}, replace rootThumbprint ${formerRootThumbprint ?? ''} by ${rootThumbprint}: until then, whoever has the former master key can mislead those who read it.`,
  )
}
