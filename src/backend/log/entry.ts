import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { IntegrityError } from '../../errors.ts'
import { decodeBase64url, encodeBase64url } from '../../key/base64url.ts'
import { reasonOf } from '../../key/record.ts'
import { type JsonObject, parseStrictJsonObject } from '../../key/strict-json.ts'

/** What a signed file is about. Each kind has its own JWS header, so that none can stand in for another. */
export type EntryKind = 'environment' | 'key' | 'material'

/** A signed file, read and taken apart; whether the signature is right is for verifyEntry to say. */
export interface Entry {
  /** How to name the file in a message. */
  readonly where: string
  readonly body: JsonObject
  /** SHA-256 of the whole file, base64url: what the next entry of a chain refers to. */
  readonly hash: string
  readonly signingInput: Buffer
  readonly signature: Buffer
}

const NEWLINE = 0x0a

const HEADERS: Readonly<Record<EntryKind, string>> = {
  environment: headerOf('environment'),
  key: headerOf('key'),
  material: headerOf('material'),
}

/**
 * A signed file is two lines: JSON, and a detached JWS (RFC 7515 appendix F) over exactly the bytes of the first,
 * without its newline.
 */
export function encodeEntry(kind: EntryKind, body: JsonObject, rootKey: KeyObject): Buffer {
  const line = Buffer.from(JSON.stringify(body))
  const header = HEADERS[kind]
  const signature = sign(null, signingInputOf(header, line), rootKey)
  return Buffer.concat([line, Buffer.from(`\n${header}..${encodeBase64url(signature)}\n`)])
}

/** @throws IntegrityError when the file is torn, or not of this kind */
export function decodeEntry(kind: EntryKind, bytes: Uint8Array, where: string): Entry {
  const refuse = (why: string): never => {
    throw new IntegrityError(where, why, { advice: 'The file was edited or torn. Restore it from a backup' })
  }
  const end = bytes.indexOf(NEWLINE)
  if (bytes.length === 0) refuse('it is empty')
  if (end === -1 || bytes.indexOf(NEWLINE, end + 1) !== bytes.length - 1) refuse('it is not two whole lines')
  const line = bytes.subarray(0, end)
  const jws = Buffer.from(bytes.subarray(end + 1, bytes.length - 1)).toString('latin1')
  const header = HEADERS[kind]
  const prefix = `${header}..`
  if (!jws.startsWith(prefix)) refuse(`its second line is not the signature of ${article(kind)} entry`)
  try {
    return {
      where,
      body: parseStrictJsonObject(line),
      hash: createHash('sha256').update(bytes).digest('base64url'),
      signingInput: signingInputOf(header, line),
      signature: decodeBase64url(jws.slice(prefix.length)),
    }
  } catch (error) {
    return refuse(reasonOf(error))
  }
}

/** @throws IntegrityError when the root key did not sign it */
export function verifyEntry(entry: Entry, rootPublicKey: KeyObject): void {
  if (!isSignedBy(entry, rootPublicKey)) {
    throw new IntegrityError(entry.where, 'its signature is not that of the environment', {
      advice: 'The file was edited. Restore it from a backup',
    })
  }
}

export function isSignedBy(entry: Entry, rootPublicKey: KeyObject): boolean {
  return entry.signature.length === 64 && verify(null, entry.signingInput, rootPublicKey, entry.signature)
}

function headerOf(kind: EntryKind): string {
  return encodeBase64url(Buffer.from(JSON.stringify({ alg: 'Ed25519', typ: `keyturn-${kind}+jws` })))
}

function signingInputOf(header: string, line: Uint8Array): Buffer {
  return Buffer.from(`${header}.${encodeBase64url(line)}`)
}

function article(kind: EntryKind): string {
  return kind === 'environment' ? 'an environment' : `a ${kind}`
}
