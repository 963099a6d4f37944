import { createJwksVerifier, fetchLiveJwks, formatKeyRef, formatVersionRef } from '../../src/index.ts'
import { lookUpPublic } from '../access.ts'
import type { Arguments } from '../arguments.ts'
import { audienceOf, expiresInOf, readClaims } from '../claims.ts'
import type { Action } from '../command.ts'
import { variable } from '../config/find.ts'
import { resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { emitToken } from '../emit.ts'
import { usageError } from '../errors.ts'
import { readFile, readToken } from '../input.ts'
import { parseKeyArgument, referenceOf, type Use } from '../key-argument.ts'
import { outputPath } from '../output-path.ts'
import { printableJson } from '../render.ts'
import { withKeyring } from '../session.ts'

const SIGNING: Use = { purpose: 'sign', doing: 'sign' }
const VERIFYING: Use = { purpose: 'sign', doing: 'verify' }
const MAX_JWKS_BYTES = 1024 * 1024

export const signToken: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: SIGNING })
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = outputPath(context, args, settings)
  const claims = await readClaims(context, args)
  const typ = args.text('typ')
  const allowClaims = args.list('allow-claim')
  const { ref, token } = await withKeyring(context, settings, 'secrets', async (keyring) => {
    const signer = await keyring.signer(referenceOf(argument))
    const options = {
      ...audienceOf(args),
      ...expiresInOf(args),
      ...(typ === undefined ? {} : { typ }),
      allowClaims,
    }
    return { ref: signer.ref, token: await signer.signJwt(claims, options) }
  })
  await emitToken(context, out, 'token', token, { key: formatKeyRef(ref) })
  return undefined
}

export const verifyToken: Action = async (context, args) => {
  if (args.text('jwks') !== undefined) return verifyWithDocument(context, args)
  if (args.text('key') === undefined)
    throw usageError('there is nothing to verify with', 'Name a key, or give --jwks')
  const argument = parseKeyArgument(args, context.io, { use: VERIFYING })
  const settings = resolveSettings(args, context.io, argument.environment)
  const token = await readToken(context, args)
  const { key: record, access } = await lookUpPublic(context, settings, argument, VERIFYING)
  // Signed bytes have no audience; that this is no key for JWTs is for verifyJwt to say.
  const audience = record.content === 'jwt' ? audienceOf(args) : {}
  const verified = await withKeyring(context, settings, access, async (keyring) => {
    const verifier = await keyring.verifier(referenceOf(argument), { ...audience, ...typOf(args) })
    return verifier.verifyJwt(token)
  })
  const { claims, header, key } = verified
  await present(context, claims, `${formatVersionRef(key.ref)} (${key.state})`, {
    header,
    key: { ref: formatVersionRef(key.ref), state: key.state },
  })
  return undefined
}

async function verifyWithDocument(context: Context, args: Arguments): Promise<undefined> {
  const source = args.required('jwks')
  if (args.text('key') !== undefined) throw usageError('a key and --jwks are both given', 'Give one of them')
  const issuer = args.text('issuer') ?? variable(context.io, 'KEYTURN_ISSUER')
  if (issuer === undefined) throw usageError('--jwks does not say whose tokens to accept', 'Add --issuer')
  const jwks = await readDocument(context, source)
  const { audience = [] } = audienceOf(args)
  const clock = { now: context.io.now }
  const verifier = createJwksVerifier({ jwks, issuer, audience, ...typOf(args), clock })
  const { claims, header, key } = await verifier.verifyJwt(await readToken(context, args))
  await present(context, claims, `${key.kid} of ${source}`, { header, key })
  return undefined
}

async function readDocument(context: Context, source: string): Promise<string> {
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(source)
  const bytes = isUrl
    ? (await fetchLiveJwks(source, context.call)).body
    : await readFile(context, source, MAX_JWKS_BYTES)
  return Buffer.from(bytes).toString('utf8')
}

async function present(
  context: Context,
  claims: object,
  by: string,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  await context.note(`verified: signed by ${by}`)
  await context.succeed({ json: { verified: true, claims, ...facts }, text: () => printableJson(claims, 2) })
}

function typOf(args: Arguments): { readonly typ?: string } {
  const typ = args.text('typ')
  return typ === undefined ? {} : { typ }
}
