import { formatKeyRef } from '../../src/index.ts'
import { lookUpPublic } from '../access.ts'
import { contextOf } from '../claims.ts'
import type { Action } from '../command.ts'
import { resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { emitToken } from '../emit.ts'
import { usageError } from '../errors.ts'
import { readInput } from '../input.ts'
import { parseKeyArgument, referenceOf, type Use } from '../key-argument.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'
import { withKeyring } from '../session.ts'

const ENCRYPTING: Use = { purpose: 'encrypt', doing: 'encrypt or decrypt' }

export const encryptData: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: ENCRYPTING })
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = outputPath(context, args, settings)
  const data = contextOf(args)
  const plaintext = await readInput(context, args, 'data')
  const { access } = await lookUpPublic(context, settings, argument, ENCRYPTING)
  const { ref, jwe } = await withKeyring(context, settings, access, async (keyring) => {
    const encrypter = await keyring.encrypter(referenceOf(argument))
    return { ref: encrypter.ref, jwe: await encrypter.encrypt(plaintext, data) }
  })
  await emitToken(context, out, 'jwe', jwe, { key: formatKeyRef(ref) })
  return undefined
}

export const decryptData: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: ENCRYPTING })
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = outputPath(context, args, settings)
  const data = contextOf(args)
  const sealed = (await readInput(context, args, 'data')).toString('latin1').trim()
  const { ref, plaintext } = await withKeyring(context, settings, 'secrets', async (keyring) => {
    const encrypter = await keyring.encrypter(referenceOf(argument))
    return { ref: encrypter.ref, plaintext: await encrypter.decrypt(sealed, data) }
  })
  const facts = { key: formatKeyRef(ref), bytes: plaintext.length }
  if (out !== undefined) {
    await replaceFile(out, plaintext, 'private')
    await context.succeed({ json: { ...facts, out }, text: () => `wrote ${printable(out)}` })
  } else if (context.isJson) {
    const encoded = Buffer.from(plaintext).toString('base64')
    await context.succeed({ json: { ...facts, base64: encoded }, text: () => encoded })
  } else {
    await writeBytes(context, plaintext)
  }
  return undefined
}

/** Nobody knows what the bytes do to a terminal, so there they must be plain text. */
async function writeBytes(context: Context, bytes: Uint8Array): Promise<void> {
  if (context.io.stdout.isTTY && /[^\P{C}\n\t]|\ufffd/u.test(Buffer.from(bytes).toString('utf8'))) {
    throw usageError(
      'the data is not plain text, and would be shown on a terminal',
      'Use --out FILE, or a pipe',
    )
  }
  await context.write(bytes)
}
