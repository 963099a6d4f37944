import { resolve } from 'node:path'
import {
  decryptPrivateJwk,
  type MaterialFormat,
  type Purpose,
  type ReadMaterial,
  readMaterial,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { usageError } from './errors.ts'
import { readAll, readFile } from './input.ts'
import { lookAt } from './look-at.ts'
import { readPassphrase } from './passphrase.ts'

/** What it is called, wherever a passphrase protects one key and not an environment. */
export const KEY_PASSPHRASE_FLAG = '--key-passphrase-file'

/** A private key of any size that is accepted, as a JWE. */
const MAX_BYTES = 65_536
const NEWLINE = 0x0a
/** A compact JWS or JWE: it starts with a JSON object in base64url. */
const COMPACT = /^eyJ[A-Za-z0-9_-]*\./

/**
 * Reads key material that was made elsewhere, from `--in` or stdin. The file is not changed, and its bytes are wiped from
 * memory.
 *
 * @throws CliError, and whatever readMaterial throws
 */
export async function readKeyMaterial(
  context: Context,
  args: Arguments,
  purpose: Purpose,
  alg: string | undefined,
): Promise<ReadMaterial> {
  const asked = args.text('format')
  const given = await readGiven(context, args)
  const isJwe = asked === 'jwe' || (asked === undefined && COMPACT.test(given.toString('latin1')))
  const format = isJwe ? 'jwk' : (asked as MaterialFormat | undefined)
  const bytes = isJwe ? await decrypt(context, args, given) : given
  try {
    if (format === 'raw' && bytes.at(-1) === NEWLINE) {
      await context.warn('the last byte of the secret is a newline, and part of it.')
    }
    return readMaterial(bytes, { purpose, alg, format })
  } finally {
    given.fill(0)
    bytes.fill(0)
  }
}

async function readGiven(context: Context, args: Arguments): Promise<Buffer> {
  const name = args.text('in')
  if (name !== undefined && name !== '-') {
    const bytes = await readFile(context, name, MAX_BYTES)
    await warnOfReaders(context, resolve(context.io.cwd, name))
    return bytes
  }
  const stdin = context.takeStdin('key material')
  if (stdin.isTTY)
    throw usageError('a key is not typed at a terminal, which would show it', 'Name its file with --in')
  return readAll(stdin, MAX_BYTES, 'the key material')
}

/** What others could read may be theirs already: better to know it before the key is in use. */
async function warnOfReaders(context: Context, path: string): Promise<void> {
  const mode = (lookAt(path)?.mode ?? 0) & 0o777
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  await context.warn(
    `${path} has mode ${mode.toString(8).padStart(4, '0')}: others on this machine may have read the key. A new one is safer.`,
  )
}

async function decrypt(context: Context, args: Arguments, given: Buffer): Promise<Buffer> {
  const path = args.text('key-passphrase-file')
  const passphrase = await readPassphrase(context, 'the key', pathOf(context, path), KEY_PASSPHRASE_FLAG)
  return Buffer.from(await decryptPrivateJwk(given.toString('latin1').trim(), passphrase))
}

export function pathOf(context: Context, name: string | undefined): string | undefined {
  return name === undefined || name === '-' ? name : resolve(context.io.cwd, name)
}
