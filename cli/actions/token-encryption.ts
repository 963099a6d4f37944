import { formatKeyRef, formatVersionRef, type Keyring } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import { audienceOf, contextOf, expiresInOf, readClaims } from '../claims.ts'
import type { Action } from '../command.ts'
import { resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { emitToken } from '../emit.ts'
import { readToken } from '../input.ts'
import { type KeyArgument, parseKeyArgument, referenceOf, type Use } from '../key-argument.ts'
import { outputPath } from '../output-path.ts'
import { printableJson } from '../render.ts'
import { withKeyring } from '../session.ts'

const ENCRYPTING: Use = { purpose: 'encrypt', doing: 'encrypt or decrypt' }

export const encryptToken: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: ENCRYPTING })
  const signedBy = signerArgument(context, args, 'sign')
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = outputPath(context, args, settings)
  const claims = await readClaims(context, args)
  const { ref, token } = await withKeyring(context, settings, 'secrets', async (keyring) => {
    const encrypter = await keyring.encrypter(referenceOf(argument))
    const token = await encrypter.encryptJwt(claims, {
      ...contextOf(args),
      ...audienceOf(args),
      ...expiresInOf(args),
      ...(signedBy ? { signer: await keyring.signer(referenceOf(signedBy)) } : {}),
    })
    return { ref: encrypter.ref, token }
  })
  await emitToken(context, out, 'token', token, { key: formatKeyRef(ref) })
  return undefined
}

export const decryptToken: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: ENCRYPTING })
  const signedBy = signerArgument(context, args, 'verify')
  const settings = resolveSettings(args, context.io, argument.environment)
  const token = await readToken(context, args)
  const { claims, facts } = await withKeyring(context, settings, 'secrets', (keyring) =>
    decrypt(keyring, args, argument, signedBy, token),
  )
  const by = 'signedBy' in facts ? `, signed by ${facts.signedBy}` : ''
  await context.note(`decrypted with ${facts.key}${by}`)
  await context.succeed({ json: { claims, ...facts }, text: () => printableJson(claims, 2) })
  return undefined
}

function signerArgument(context: Context, args: Arguments, doing: string): KeyArgument | undefined {
  if (args.text('signed-by') === undefined) return undefined
  return parseKeyArgument(args, context.io, { option: 'signed-by', use: { purpose: 'sign', doing } })
}

async function decrypt(
  keyring: Keyring,
  args: Arguments,
  argument: KeyArgument,
  signedBy: KeyArgument | undefined,
  token: string,
): Promise<{ claims: object; facts: { readonly key: string; readonly signedBy?: string } }> {
  const encrypter = await keyring.encrypter(referenceOf(argument))
  const data = contextOf(args)
  const { audience = [] } = audienceOf(args)
  if (!signedBy) {
    const { claims, key } = await encrypter.decryptJwt(token, { ...data, audience })
    return { claims, facts: { key: formatVersionRef(key.ref) } }
  }
  const verifier = await keyring.verifier(referenceOf(signedBy), { audience })
  const { claims, key, signed } = await encrypter.decryptJwt(token, { ...data, verifier })
  return { claims, facts: { key: formatVersionRef(key.ref), signedBy: formatVersionRef(signed.key.ref) } }
}
