import { resolve } from 'node:path'
import { formatInstant, loadLocalBackend, parsePurpose } from '../../src/index.ts'
import type { Action } from '../command.ts'
import {
  type BackendSettings,
  chooseEnvironment,
  describeBackend,
  resolveSettings,
  type Settings,
} from '../config/settings.ts'
import type { Context } from '../context.ts'
import { localConfigOf } from '../local-session.ts'
import { printable, renderFacts } from '../render.ts'
import { settingsForChange } from '../session.ts'

export const showEnvironment: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  if (settings.backend.kind !== 'local') return showCloudEnvironment(context, settings)
  const { keyFile, rootThumbprint: pinned } = settings.backend
  const { showLocalEnvironment } = await loadLocalBackend()
  const summary = await showLocalEnvironment(await localConfigOf(context, settings, 'records'), environment)
  const { configFile, issuer = `urn:keyturn:${environment}` } = settings
  const { store, rootThumbprint, epoch, protection, keys, entries, head } = summary
  const createdAt = formatInstant(summary.createdAt)
  const masterKeyCreatedAt = formatInstant(summary.masterKeyCreatedAt)
  await context.succeed({
    json: {
      environment,
      backend: { kind: 'local', store },
      ...(configFile === undefined ? {} : { config: configFile }),
      issuer,
      rootThumbprint,
      epoch,
      createdAt,
      masterKeyCreatedAt,
      protection,
      ...(keyFile ? { keyFile } : {}),
      keys,
      history: { entries, head },
    },
    text: () =>
      renderFacts({
        environment,
        backend: `local, store ${store}`,
        configuration: configFile ?? 'none',
        issuer,
        'root thumbprint': rootThumbprint,
        epoch: String(epoch),
        created: createdAt,
        'master key': `${protection === 'passphrase' ? 'protected by a passphrase' : 'in a key file'}, made ${masterKeyCreatedAt}`,
        'this host has': keyFile ? `${keyFile.kind.replaceAll('-', ' ')} ${keyFile.path}` : 'no key file',
        keys: String(keys),
        log: `${entries} entries, head ${head}`,
      }),
  })
  if (pinned !== undefined && pinned !== rootThumbprint) {
    await context.warn(
      `The configuration pins the former root ${pinned}: whoever has the master key of that time can mislead this host. Enter the present one with keyturn environment rekey, which replaces nothing again, or by hand.`,
    )
  }
  return undefined
}

/** A cloud keeps no record of the environment as a whole: what is known is in the configuration. */
async function showCloudEnvironment(context: Context, settings: Settings): Promise<undefined> {
  const { environment, backend, configFile, issuer = `urn:keyturn:${environment}` } = settings
  await context.succeed({
    json: {
      environment,
      backend: viewBackend(backend),
      ...(configFile === undefined ? {} : { config: configFile }),
      issuer,
    },
    text: () =>
      renderFacts({
        environment,
        backend: describeBackend(backend),
        configuration: configFile ?? 'none',
        issuer,
      }),
  })
  return undefined
}

/** What the configuration says; a client is never in it. */
function viewBackend(backend: BackendSettings): object {
  return 'config' in backend ? { ...backend.config } : { kind: backend.kind }
}

export const createRoleKey: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const purpose = parsePurpose(args.required('purpose'))
  const path = resolve(context.io.cwd, args.required('out'))
  const settings = await settingsForChange(context, args, environment)
  const { writeRoleKey } = await loadLocalBackend()
  await writeRoleKey(await localConfigOf(context, settings, 'secrets'), environment, { purpose, path })
  await context.succeed({
    json: { environment, purpose, out: path, changed: true },
    text: () => `wrote ${printable(path)}`,
  })
  await context.note(
    purpose === 'sign'
      ? 'Whoever has it can sign with every signing key of the environment; it cannot decrypt data or change a record.'
      : 'Whoever has it can decrypt with every encryption key of the environment; it cannot sign or change a record.',
  )
  return undefined
}
