import { loadLocalBackend } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { changeLocalEnvironment } from '../config/change.ts'
import { chooseEnvironment, requireLocal } from '../config/settings.ts'
import { localConfigOf } from '../local-session.ts'
import { newKeyFileGiven, readNewProtection } from '../new-protection.ts'
import { printable, renderFacts } from '../render.ts'
import { attributionOf, settingsForChange } from '../session.ts'

/**
 * First the store, then the configuration: in between, the former protection is gone and the configuration still names it, so
 * the error that comes of it says what to do, and doing this again completes it.
 */
export const protectEnvironment: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = await settingsForChange(context, args, environment)
  const { keyFile: formerKeyFile } = requireLocal(settings)
  const given = newKeyFileGiven(context, args)
  await context.confirm(
    environment,
    args.text('confirm'),
    `whoever has only the present protection of ${environment} will be locked out`,
  )
  const config = await localConfigOf(context, settings, 'secrets')
  // The present passphrase first: whoever does not have it need not think of another.
  await config.passphrase?.()
  const { protection, keyFile } = await readNewProtection(context, environment, given)
  const { protectLocalEnvironment } = await loadLocalBackend()
  const attribution = attributionOf(args)
  await protectLocalEnvironment(config, environment, { protection, now: context.now(), attribution })
  const file = await changeLocalEnvironment(settings, { keyFile })
  const masterKeyFile = protection.kind === 'key-file' ? protection.path : undefined
  await context.succeed({
    json: {
      environment,
      changed: true,
      protection: protection.kind,
      ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
      ...(file === undefined ? {} : { config: file }),
    },
    text: () =>
      renderFacts({
        environment,
        'master key': masterKeyFile === undefined ? 'protected by the new passphrase' : 'in a key file',
        'master key file': masterKeyFile === undefined ? undefined : printable(masterKeyFile),
        configuration: file,
      }),
  })
  await context.note(
    formerKeyFile?.kind === 'master-key-file'
      ? `${formerKeyFile.path} and every copy of it still open ${environment}. Once the passphrase has opened it, remove them.`
      : `Copies of the store, backups above all, still open with the former passphrase. If it has leaked, run keyturn environment rekey -e ${environment}.`,
  )
  if (file === undefined)
    await context.note('No configuration names the environment: tell those who open it.')
  return undefined
}
