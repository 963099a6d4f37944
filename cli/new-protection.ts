import { resolve } from 'node:path'
import type { Arguments } from './arguments.ts'
import type { KeyFile } from './config/backends.ts'
import type { Context } from './context.ts'
import { usageError } from './errors.ts'
import { isPipe, readNewPassphrase } from './passphrase.ts'

/** What protects a master key from now on, as the library takes it, and as the configuration says it. */
export interface NewProtection {
  readonly protection:
    | { readonly kind: 'key-file'; readonly path: string }
    | { readonly kind: 'passphrase'; readonly passphrase: string }
  /** `null` where a person is asked for the passphrase. */
  readonly keyFile: KeyFile | null
}

const FLAG = '--new-passphrase-file'

/** Whether `--new-…` says what is to protect the master key. @throws CliError `usage` for two of them */
export function newKeyFileGiven(context: Context, args: Arguments): KeyFile | undefined {
  const masterKeyFile = args.text('new-master-key-file')
  const passphraseFile = args.text('new-passphrase-file')
  if (masterKeyFile !== undefined && passphraseFile !== undefined) {
    throw usageError(`--new-master-key-file and ${FLAG} are both given`, 'Give the one that is to protect it')
  }
  const absolute = (path: string): string => (path === '-' ? path : resolve(context.io.cwd, path))
  if (masterKeyFile !== undefined) return { kind: 'master-key-file', path: absolute(masterKeyFile) }
  if (passphraseFile !== undefined) return { kind: 'passphrase-file', path: absolute(passphraseFile) }
  return undefined
}

/** Reads a new passphrase, or asks for it where no file is named; a key file is for the library to make. */
export async function readNewProtection(
  context: Context,
  environment: string,
  keyFile: KeyFile | undefined,
): Promise<NewProtection> {
  if (keyFile?.kind === 'master-key-file') {
    return { protection: { kind: 'key-file', path: keyFile.path }, keyFile }
  }
  const passphrase = await readNewPassphrase(context, environment, keyFile?.path, FLAG)
  const isLasting = keyFile !== undefined && keyFile.path !== '-' && !isPipe(keyFile.path)
  return { protection: { kind: 'passphrase', passphrase }, keyFile: isLasting ? keyFile : null }
}
