import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { IntegrityError } from '../../errors.ts'
import { decodeBase64url, encodeBase64url } from '../../key/base64url.ts'
import { reasonOf } from '../../key/record.ts'
import { type JsonObject, parseStrictJsonObject } from '../../key/strict-json.ts'

/** What a signed file is about. Each kind has its own JWS header, so that none can stand in for another. */
export type EntryKind = 'environment' | 'key' | 'material'

interface Signed {
  readonly signingInput: Buffer
  readonly signature: Buffer
}

/** A signed file, read and taken apart; whether the signatures are right is for verifyEntry to say. */
export interface Entry extends Signed {
  /** How to name the file in a message. */
  readonly where: string
  readonly body: JsonObject
  /** SHA-256 of the whole file, base64url: what the next entry of a chain refers to. */
  readonly hash: string
  /** By the root that a rekey introduces, beside that of the root which it replaces. */
  readonly countersignature?: Signed
}

/** The public root keys that an entry must be signed by. */
export interface EntrySigners {
  readonly root: KeyObject
  /** Present exactly where a countersignature must be. */
  readonly next?: KeyObject | undefined
}

const NEWLINE = 0x0a

const HEADERS: Readonly<Record<EntryKind, string>> = {
  environment: headerOf('environment'),
  key: headerOf('key'),
  material: headerOf('material'),
}

/** Another header, so that neither signature can stand in for the other. */
const NEXT_HEADERS: Readonly<Record<EntryKind, string>> = {
  environment: headerOf('environment-rekey'),
  key: headerOf('key-rekey'),
  material: headerOf('material-rekey'),
}

/**
 * A signed file is two lines: JSON, and a detached JWS (RFC 7515 appendix F) over exactly the bytes of the first,
 * without its newline. In a rekey, a third line is the same by the root that takes over.
 */
export function encodeEntry(
  kind: EntryKind,
  body: JsonObject,
  rootKey: KeyObject,
  nextRootKey?: KeyObject,
): Buffer {
  const line = Buffer.from(JSON.stringify(body))
  const signatures = [signatureLine(HEADERS[kind], line, rootKey)]
  if (nextRootKey) signatures.push(signatureLine(NEXT_HEADERS[kind], line, nextRootKey))
  return Buffer.concat([line, Buffer.from(`\n${signatures.join('')}`)])
}

function signatureLine(header: string, line: Uint8Array, key: KeyObject): string {
  return `${header}..${encodeBase64url(sign(null, signingInputOf(header, line), key))}\n`
}

/** @throws IntegrityError when the file is torn, or not of this kind */
export function decodeEntry(kind: EntryKind, bytes: Uint8Array, where: string): Entry {
  const refuse = (why: string): never => {
    throw new IntegrityError(where, why, { advice: 'The file was edited or torn. Restore it from a backup' })
  }
  if (bytes.length === 0) refuse('it is empty')
  const lines = linesOf(bytes)
  const [line, first, second, ...more] = lines ?? []
  if (!line || !first || more.length > 0) return refuse('it is not two whole lines')
  const signedBy = (jws: Uint8Array, header: string, which: string): Signed => {
    const text = Buffer.from(jws).toString('latin1')
    const prefix = `${header}..`
    if (!text.startsWith(prefix)) refuse(`its ${which} line is not the signature of ${article(kind)} entry`)
    return {
      signingInput: signingInputOf(header, line),
      signature: decodeBase64url(text.slice(prefix.length)),
    }
  }
  try {
    return {
      where,
      body: parseStrictJsonObject(line),
      hash: createHash('sha256').update(bytes).digest('base64url'),
      ...signedBy(first, HEADERS[kind], 'second'),
      ...(second ? { countersignature: signedBy(second, NEXT_HEADERS[kind], 'third') } : {}),
    }
  } catch (error) {
    if (error instanceof IntegrityError) throw error
    return refuse(reasonOf(error))
  }
}

/** @throws IntegrityError when one of the roots that must have signed it did not */
export function verifyEntry(entry: Entry, signers: EntrySigners): void {
  if (!isSignedBy(entry, signers)) {
    throw new IntegrityError(entry.where, 'its signature is not that of the environment', {
      advice: 'The file was edited. Restore it from a backup',
    })
  }
}

export function isSignedBy(entry: Entry, { root, next }: EntrySigners): boolean {
  if (!isValid(entry, root)) return false
  const { countersignature } = entry
  if (!next || !countersignature) return next === undefined && countersignature === undefined
  return isValid(countersignature, next)
}

function isValid({ signingInput, signature }: Signed, key: KeyObject): boolean {
  return signature.length === 64 && verify(null, signingInput, key, signature)
}

/** The lines of a text that ends with a newline; undefined for another. */
function linesOf(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const lines: Uint8Array[] = []
  let start = 0
  for (
    let end = bytes.indexOf(NEWLINE);
    end !== -1 && lines.length < 4;
    end = bytes.indexOf(NEWLINE, start)
  ) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  return start === bytes.length ? lines : undefined
}

function headerOf(type: string): string {
  return encodeBase64url(Buffer.from(JSON.stringify({ alg: 'Ed25519', typ: `keyturn-${type}+jws` })))
}

function signingInputOf(header: string, line: Uint8Array): Buffer {
  return Buffer.from(`${header}.${encodeBase64url(line)}`)
}

function article(kind: EntryKind): string {
  return kind === 'environment' ? 'an environment' : `a ${kind}`
}
