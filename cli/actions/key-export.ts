import {
  activeVersion,
  dangerouslyFormatJwk,
  dangerouslyFormatPem,
  encryptPrivateJwk,
  exportPublicJwk,
  exportPublicPem,
  formatKeyRef,
  formatVersionRef,
  KeyNotFoundError,
  type KeyRecord,
  mayProcess,
  NoActiveVersionError,
  stateOf,
  UnsupportedAlgorithmError,
  type VersionRecord,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { resolveSettings, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { CliError, usageError } from '../errors.ts'
import { type KeyArgument, parseKeyArgument, readKey } from '../key-argument.ts'
import { KEY_PASSPHRASE_FLAG, pathOf } from '../key-material.ts'
import { createPrivateFile, refuseExisting, replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { readNewPassphrase } from '../passphrase.ts'
import { printable } from '../render.ts'
import { settingsForChange, withBackend } from '../session.ts'

type Format = 'jwk' | 'pem'

export const exportKey: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { takesVersion: true })
  checkFlags(args)
  if (args.flag('public')) await exportPublic(context, args, argument)
  else await exportPrivate(context, args, argument)
  return undefined
}

/** @throws CliError `usage` for flags that do not go together */
function checkFlags(args: Arguments): void {
  const isPublic = args.flag('public')
  if (isPublic === args.flag('private')) {
    throw usageError(
      'it is not clear which half of the key is wanted',
      'Add --public or --private, and not both',
    )
  }
  const isEncrypted = !args.flag('unencrypted')
  const hasPassphrase = args.text('key-passphrase-file') !== undefined
  if (isPublic && (!isEncrypted || hasPassphrase || args.flag('i-understand-the-risk'))) {
    throw usageError('a public key needs no protection', 'Leave out what is for --private')
  }
  if (!isEncrypted && hasPassphrase) {
    throw usageError(`--unencrypted and ${KEY_PASSPHRASE_FLAG} are both given`, 'Leave one out')
  }
  if (!isPublic && isEncrypted && args.text('format') === 'pem') {
    throw usageError('an encrypted private key is always a JWK in a JWE', 'Leave out --format')
  }
}

async function exportPublic(context: Context, args: Arguments, argument: KeyArgument): Promise<void> {
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = outputPath(context, args, settings)
  const key = await withBackend(context, settings, 'records', (backend) =>
    readKey(backend, argument, context.call),
  )
  const version = versionOf(key, argument.number, context.now())
  const format = formatOf(args)
  const jwk = exportPublicJwk(version)
  const text = format === 'pem' ? exportPublicPem(version).trimEnd() : JSON.stringify(jwk, null, 2)
  const state = stateOf(version, key.versions, context.now())
  if (!mayProcess(state))
    await context.warn(`${formatVersionRef(version.ref)} is ${state}: nobody should use it.`)
  const facts = { ...factsOf(version), format, ...(format === 'pem' ? { pem: text } : { jwk }) }
  if (out === undefined) return context.succeed({ json: facts, text: () => text })
  await replaceFile(out, `${text}\n`, 'public')
  await context.succeed({ json: { ...facts, out }, text: () => `wrote ${printable(out)}` })
}

async function exportPrivate(context: Context, args: Arguments, argument: KeyArgument): Promise<void> {
  const { name, number } = argument
  if (number === undefined) {
    throw usageError('a private key is exported one version at a time', `Write ${name}@ and the number`)
  }
  if (!args.flag('i-understand-the-risk')) {
    throw new CliError(
      'confirmation-needed',
      'whoever has the private key is the key, and no log shows what they do',
      {
        advice: 'Add --i-understand-the-risk',
      },
    )
  }
  const out = pathOf(context, args.text('out'))
  const isFile = out !== undefined && out !== '-'
  const isEncrypted = !args.flag('unencrypted')
  if (!isEncrypted && !isFile && context.io.stdout.isTTY) {
    throw usageError('a private key in the clear is not shown on a terminal', 'Use --out FILE, or a pipe')
  }
  if (isFile) refuseExisting(out)
  const settings = await settingsForChange(context, args, argument.environment)
  outputPath(context, args, settings)
  // A passphrase that is refused is refused before anything is opened.
  const passphrase = isEncrypted
    ? await readNewPassphrase(
        context,
        'the exported key',
        pathOf(context, args.text('key-passphrase-file')),
        KEY_PASSPHRASE_FLAG,
      )
    : undefined
  const { version, text } = await dangerouslyRead(context, args, settings, argument, passphrase)
  const format = passphrase === undefined ? formatOf(args) : 'jwe'
  const facts = { ...factsOf(version), format, encrypted: isEncrypted }
  if (isFile) {
    await createPrivateFile(out, `${text.trimEnd()}\n`)
    await context.succeed({ json: { ...facts, out }, text: () => `wrote ${printable(out)}` })
  } else {
    const member = format === 'jwk' ? { jwk: JSON.parse(text) } : { [format]: text }
    await context.succeed({ json: { ...facts, ...member }, text: () => text.trimEnd() })
  }
  await tellLoudly(context, version, isFile ? out : 'what was written to stdout', isEncrypted)
}

async function dangerouslyRead(
  context: Context,
  args: Arguments,
  settings: Settings,
  argument: KeyArgument,
  passphrase: string | undefined,
): Promise<{ readonly version: VersionRecord; readonly text: string }> {
  return withBackend(context, settings, 'secrets', async (backend) => {
    const key = await readKey(backend, argument, context.call)
    const version = versionOf(key, argument.number, context.now())
    if (!backend.dangerouslyExportMaterial) {
      throw new UnsupportedAlgorithmError(`the ${backend.kind} backend never gives away private keys`, {
        advice: 'Use the key where it is',
      })
    }
    const material = await backend.dangerouslyExportMaterial(version, context.call)
    if (passphrase !== undefined) {
      return { version, text: await encryptPrivateJwk(dangerouslyFormatJwk(version, material), passphrase) }
    }
    const format = formatOf(args) === 'pem' ? dangerouslyFormatPem : dangerouslyFormatJwk
    return { version, text: format(version, material) }
  })
}

async function tellLoudly(
  context: Context,
  { ref }: VersionRecord,
  where: string,
  isEncrypted: boolean,
): Promise<void> {
  const can =
    ref.purpose === 'sign' ? `sign as ${ref.environment}` : `decrypt what ${ref.environment} encrypted`
  await context.warn(
    `${where} is the private key of ${formatVersionRef(ref)}, ${isEncrypted ? 'encrypted to the passphrase' : 'IN THE CLEAR'}: whoever has it${isEncrypted ? ' and the passphrase' : ''} can ${can}.`,
  )
  await context.warn(
    'the log has no entry of this: note yourself who has it and why. Mark the version compromised if it goes astray.',
  )
}

function versionOf(key: KeyRecord, number: number | undefined, now: number): VersionRecord {
  const name = formatKeyRef(key.ref)
  if (number === undefined) {
    const active = activeVersion(key, now)
    if (active) return active
    throw new NoActiveVersionError(`no version of ${name} is active`, { advice: 'Name one, as in @3' })
  }
  const version = key.versions.find(({ ref }) => ref.number === number)
  if (version) return version
  throw new KeyNotFoundError(`${name} has no version ${number}`, {
    advice: `Its latest is ${key.versions.at(-1)?.ref.number}`,
  })
}

function formatOf(args: Arguments): Format {
  return args.text('format') === 'pem' ? 'pem' : 'jwk'
}

function factsOf({ ref, kid }: VersionRecord): { readonly ref: string; readonly kid: string } {
  return { ref: formatVersionRef(ref), kid }
}
