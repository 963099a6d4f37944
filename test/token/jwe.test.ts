import {
  createCipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import fc from 'fast-check'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { describe, expect, it } from 'vitest'
import { DecryptionError, KeyturnError } from '../../src/errors.ts'
import { type KeyAlgorithm, KMS_WRAP } from '../../src/key/algorithm.ts'
import { formatVersionRef } from '../../src/key/ref.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { newContentKey, unwrapContentKey, wrapContentKey } from '../../src/material/content-key.ts'
import { generateMaterial } from '../../src/material/generate.ts'
import { MAX_TOKEN_CHARS } from '../../src/token/compact.ts'
import { type Context, decryptJwe, encryptJwe, parseJwe, wrappedKeyOf } from '../../src/token/jwe.ts'
import { busyFor } from '../support/cpu-time.ts'
import { base64url, codeOf, encryptRef, errorOf } from './support.ts'

const A256KW: KeyAlgorithm = { alg: 'A256KW' }
const secret = createSecretKey(randomBytes(32))
const algorithms: readonly KeyAlgorithm[] = [
  A256KW,
  { alg: 'RSA-OAEP-256', modulusBits: 2048 },
  { alg: 'ECDH-ES+A256KW', curve: 'P-256' },
  { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
]

interface Use {
  readonly algorithm?: KeyAlgorithm
  readonly key?: KeyObject
  readonly context?: Context
  readonly typ?: string
  readonly cty?: string
}

function encrypt(plaintext: Uint8Array, { algorithm = A256KW, key = secret, ...rest }: Use = {}): string {
  const contentKey = newContentKey()
  const wrapping = key.type === 'private' ? createPublicKey(key) : key
  const wrapped = { contentKey, ...wrapContentKey(algorithm, wrapping, contentKey) }
  return encryptJwe(plaintext, wrapped, { algorithm, kid: 'a-key', ref: encryptRef, ...rest })
}

function decrypt(token: string, { algorithm = A256KW, key = secret, context }: Use = {}): Buffer {
  const parts = parseJwe(token)
  let contentKey: Buffer
  try {
    contentKey = unwrapContentKey(algorithm, key, wrappedKeyOf(parts))
  } catch {
    throw new DecryptionError()
  }
  return decryptJwe(parts, contentKey, {
    algorithm,
    ref: encryptRef,
    ...(context === undefined ? {} : { context }),
  })
}

/** A JWE that is right in all but what the header says. */
function craft(header: JsonObject, { tagBytes = 16, ivBytes = 12 } = {}): string {
  const contentKey = newContentKey()
  const { encryptedKey } = wrapContentKey(A256KW, secret, contentKey)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv, { authTagLength: tagBytes })
  const encodedHeader = base64url(JSON.stringify(header))
  cipher.setAAD(Buffer.from(encodedHeader))
  const ciphertext = Buffer.concat([cipher.update('hello'), cipher.final()])
  return [encodedHeader, ...[encryptedKey, iv, ciphertext, cipher.getAuthTag()].map(base64url)].join('.')
}

function headerOf(token: string): JsonObject {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
}

const goodHeader = { alg: 'A256KW', enc: 'A256GCM', kid: 'a-key' }

describe.each(algorithms)('a JWE of $alg $curve', (algorithm) => {
  const material = generateMaterial(algorithm)

  it('without context is RFC 7516 that jose decrypts', async () => {
    const key = await material
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (plaintext) => {
        const { plaintext: theirs, protectedHeader } = await compactDecrypt(
          encrypt(plaintext, { algorithm, key }),
          key,
        )
        expect(new Uint8Array(theirs)).toEqual(plaintext)
        expect(protectedHeader).toMatchObject({ alg: algorithm.alg, enc: 'A256GCM', kid: 'a-key' })
      }),
      { numRuns: 15 },
    )
  })

  it('that jose encrypted is decrypted here', async () => {
    const key = await material
    const encryptionKey = key.type === 'private' ? createPublicKey(key) : key
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (plaintext) => {
        const theirs = await new CompactEncrypt(plaintext)
          .setProtectedHeader({ alg: algorithm.alg, enc: 'A256GCM', kid: 'a-key', cty: 'text/plain' })
          .encrypt(encryptionKey)
        expect(new Uint8Array(decrypt(theirs, { algorithm, key }))).toEqual(plaintext)
      }),
      { numRuns: 15 },
    )
  })

  it('decrypts only under the context that it was encrypted with', async () => {
    const key = await material
    const context = { table: 'patients', row: '42' }
    const token = encrypt(Buffer.from('hello'), { algorithm, key, context })
    expect(decrypt(token, { algorithm, key, context: { row: '42', table: 'patients' } }).toString()).toBe(
      'hello',
    )
    expect(codeOf(() => decrypt(token, { algorithm, key, context: { ...context, row: '43' } }))).toBe(
      'decryption-failed',
    )
    expect(codeOf(() => decrypt(token, { algorithm, key }))).toBe('decryption-failed')
  })

  it('is refused by another key of the same kind, with the one error of decryption', async () => {
    const token = encrypt(Buffer.from('hello'), { algorithm, key: await material })
    const other = await generateMaterial(algorithm)
    expect(errorOf(() => decrypt(token, { algorithm, key: other }))).toBeInstanceOf(DecryptionError)
  })
})

describe('the header of a JWE', () => {
  it('has alg, enc and kid, and typ and cty where they are asked for', () => {
    expect(headerOf(encrypt(Buffer.of()))).toEqual(goodHeader)
    const typed = encrypt(Buffer.of(), { typ: 'JWT', cty: 'JWT' })
    expect(headerOf(typed)).toEqual({ ...goodHeader, typ: 'JWT', cty: 'JWT' })
    expect(parseJwe(typed).header).toEqual({ ...goodHeader, typ: 'JWT', cty: 'JWT' })
  })

  it('carries the private algorithm name of keys that a cloud KMS wraps', () => {
    const contentKey = newContentKey()
    const algorithm: KeyAlgorithm = { alg: KMS_WRAP }
    const wrapped = { contentKey, encryptedKey: randomBytes(184) }
    const context = { tenant: 'acme' }
    const token = encryptJwe(Buffer.from('hello'), wrapped, { algorithm, kid: 'a', ref: encryptRef, context })
    const parts = parseJwe(token)
    expect(parts.header.alg).toBe('urn:keyturn:kms-wrap')
    expect(wrappedKeyOf(parts)).toEqual({ encryptedKey: wrapped.encryptedKey })
    expect(decryptJwe(parts, contentKey, { algorithm, ref: encryptRef, context }).toString()).toBe('hello')
  })

  it('never has the same nonce or ciphertext twice', () => {
    const parts = Array.from({ length: 50 }, () => parseJwe(encrypt(Buffer.from('same'))))
    expect(new Set(parts.map(({ iv }) => iv.toString('hex'))).size).toBe(50)
    expect(new Set(parts.map(({ ciphertext }) => ciphertext.toString('hex'))).size).toBe(50)
  })
})

describe('the context', () => {
  const names = fc
    .string({ unit: 'grapheme' })
    .filter((text) => !/\p{Surrogate}/u.test(text) && text !== '__proto__')
  const contexts = fc.dictionary(names, names, { maxKeys: 5 })

  it('is bound as the design says: HMAC under a key derived from the content key', () => {
    const contentKey = newContentKey()
    const wrapped = { contentKey, ...wrapContentKey(A256KW, secret, contentKey) }
    const context = { ｚ: '1', '😀': '2', a: '', '': 'x' }
    const token = encryptJwe(Buffer.of(), wrapped, { algorithm: A256KW, kid: 'a', ref: encryptRef, context })
    const input: Buffer[] = []
    // UTF-8 puts U+FF5A before U+1F600; UTF-16 would not.
    for (const text of [formatVersionRef(encryptRef), '', 'x', 'a', '', 'ｚ', '1', '😀', '2']) {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(Buffer.byteLength(text))
      input.push(length, Buffer.from(text))
    }
    const key = Buffer.from(hkdfSync('sha256', contentKey, Buffer.of(), 'keyturn/v1/context', 32))
    const expected = createHmac('sha256', key).update(Buffer.concat(input)).digest('base64url')
    expect(headerOf(token)).toMatchObject({ ktx: expected, crit: ['ktx'] })
  })

  it('does not depend on the order of the pairs, and on nothing less than all of them', () => {
    fc.assert(
      fc.property(contexts, contexts, (one, other) => {
        const token = encrypt(Buffer.from('hello'), { context: one })
        const reversed = Object.fromEntries(Object.entries(one).reverse())
        expect(decrypt(token, { context: reversed }).toString()).toBe('hello')
        const isSame =
          JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
        if (!isSame) expect(() => decrypt(token, { context: other })).toThrow(DecryptionError)
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    [{ ab: 'c' }, { a: 'bc' }],
    [{ a: 'b', c: 'd' }, { a: 'bcd' }],
    [{ a: '' }, {}],
    [{ é: '1' }, { 'e\u0301': '1' }],
  ])('%j is not %j', (one, other) => {
    const token = encrypt(Buffer.of(), { context: one as Context })
    expect(codeOf(() => decrypt(token, { context: other as Context }))).toBe('decryption-failed')
  })

  it('is bound to the version, so that a copy under another name does not decrypt', () => {
    const contentKey = newContentKey()
    const wrapped = { contentKey, ...wrapContentKey(A256KW, secret, contentKey) }
    const options = { algorithm: A256KW, context: { a: 'b' } }
    const parts = parseJwe(encryptJwe(Buffer.of(), wrapped, { ...options, kid: 'k', ref: encryptRef }))
    expect(decryptJwe(parts, contentKey, { ...options, ref: encryptRef })).toHaveLength(0)
    for (const ref of [
      { ...encryptRef, number: 4 },
      { ...encryptRef, environment: 'production' },
      { ...encryptRef, name: 'vaults' },
    ]) {
      expect(codeOf(() => decryptJwe(parts, contentKey, { ...options, ref }))).toBe('decryption-failed')
    }
  })

  it('leaves nothing in the header exactly when it is empty', () => {
    expect(headerOf(encrypt(Buffer.of(), { context: {} }))).toEqual(goodHeader)
    expect(decrypt(encrypt(Buffer.of(), { context: {} }))).toHaveLength(0)
    expect(decrypt(encrypt(Buffer.of()), { context: {} })).toHaveLength(0)
    expect(codeOf(() => decrypt(encrypt(Buffer.of()), { context: { a: 'b' } }))).toBe('decryption-failed')
  })

  it('is a critical parameter, so that nobody decrypts without looking at it', async () => {
    const token = encrypt(Buffer.of(), { context: { a: 'b' } })
    await expect(compactDecrypt(token, secret)).rejects.toThrow(/ktx/)
  })

  it.each([
    ['a lone surrogate as a name', { '\ud800': 'a' }],
    ['a lone surrogate as a value', { a: 'x\udc00' }],
    ['a number', { a: 1 }],
    ['nothing', { a: undefined }],
    ['a nested object', { a: {} }],
  ])('of %s is refused', (_, context) => {
    const unusable = context as unknown as Context
    expect(codeOf(() => encrypt(Buffer.of(), { context: unusable }))).toBe('invalid-input')
    expect(codeOf(() => decrypt(encrypt(Buffer.of()), { context: unusable }))).toBe('invalid-input')
  })

  it('is not in the ciphertext', () => {
    const token = encrypt(Buffer.of(), { context: { patient: 'somebody-known' } })
    expect(
      Buffer.from(token.replaceAll('.', ''), 'base64url').toString('latin1') +
        JSON.stringify(headerOf(token)),
    ).not.toMatch(/patient|somebody/)
  })
})

describe('attacks on a JWE', () => {
  it('a well-made one of the same helper is accepted', () => {
    expect(decrypt(craft(goodHeader)).toString()).toBe('hello')
  })

  it.each(['PBES2-HS512+A256KW', 'PBES2-HS256+A128KW'])(
    '%s is refused before any derivation, whatever p2c says (CVE-2022-36083)',
    (alg) => {
      const attack = craft({ ...goodHeader, alg, p2s: 'AAAAAAAAAAA', p2c: 2_147_483_647 })
      expect(busyFor(() => expect(codeOf(() => parseJwe(attack))).toBe('token-header'))).toBeLessThan(100)
      expect(codeOf(() => parseJwe(craft({ ...goodHeader, alg })))).toBe('token-algorithm')
    },
  )

  it.each(['DEF', 'GZ', '', null])('zip %j is refused: nothing is decompressed (CVE-2024-28176)', (zip) => {
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, zip })))).toBe('token-header')
  })

  it.each([4, 8, 12, 13, 14, 15])('a tag of %i bytes is refused (CVE-2025-54887)', (tagBytes) => {
    expect(codeOf(() => parseJwe(craft(goodHeader, { tagBytes })))).toBe('token-malformed')
    const parts = parseJwe(craft(goodHeader))
    const contentKey = unwrapContentKey(A256KW, secret, wrappedKeyOf(parts))
    const short = { ...parts, tag: parts.tag.subarray(0, tagBytes) }
    expect(codeOf(() => decryptJwe(short, contentKey, { algorithm: A256KW, ref: encryptRef }))).toBe(
      'decryption-failed',
    )
  })

  it.each([0, 8, 16])('a nonce of %i bytes is refused', (ivBytes) => {
    const parts = craft(goodHeader).split('.')
    parts[2] = base64url(Buffer.alloc(ivBytes))
    expect(codeOf(() => parseJwe(parts.join('.')))).toBe('token-malformed')
  })

  it.each(['A128GCM', 'A192GCM', 'A128CBC-HS256', 'A256CBC-HS512', 'a256gcm', 7, null])(
    'enc %s is refused',
    (enc) => {
      expect(codeOf(() => parseJwe(craft({ ...goodHeader, enc })))).toBe('token-algorithm')
    },
  )

  it.each([
    'dir',
    'RSA1_5',
    'RSA-OAEP',
    'A128KW',
    'A256GCMKW',
    'ECDH-ES',
    'ECDH-ES+A128KW',
    'none',
    'HS256',
    'a256kw',
  ])('alg %s is refused', (alg) => {
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, alg })))).toBe('token-algorithm')
  })

  it('an algorithm that is not the one of the key is refused as undecryptable', () => {
    const parts = parseJwe(craft(goodHeader))
    const contentKey = unwrapContentKey(A256KW, secret, wrappedKeyOf(parts))
    const options = { algorithm: { alg: KMS_WRAP } as const, ref: encryptRef }
    expect(codeOf(() => decryptJwe(parts, contentKey, options))).toBe('decryption-failed')
  })

  it.each([[['exp']], [['ktx', 'exp']], [['ktx', 'ktx']], [[]], ['ktx'], [{ 0: 'ktx', length: 1 }]])(
    'crit %j is refused (CVE-2026-32597)',
    (crit) => {
      const ktx = base64url(Buffer.alloc(32))
      expect(codeOf(() => parseJwe(craft({ ...goodHeader, ktx, exp: 1, crit })))).toBe('token-header')
    },
  )

  it('ktx without crit, and crit without ktx, are refused', () => {
    const ktx = base64url(Buffer.alloc(32))
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, ktx })))).toBe('token-header')
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, crit: ['ktx'] })))).toBe('token-header')
    for (const wrong of [base64url(Buffer.alloc(31)), '', 7, null]) {
      expect(codeOf(() => parseJwe(craft({ ...goodHeader, ktx: wrong, crit: ['ktx'] })))).toBe('token-header')
    }
  })

  it.each(['jku', 'x5u', 'jwk', 'x5c', 'b64', 'apu', 'apv', 'p2c', 'p2s'])('%s is refused', (name) => {
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, [name]: 'AAAA' })))).toBe('token-header')
  })

  it.each([undefined, '', 7])('kid %j is refused', (kid) => {
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, kid })))).toBe('token-header')
  })

  it('duplicate members are refused', () => {
    const [, ...rest] = craft(goodHeader).split('.')
    const header = base64url('{"alg":"dir","alg":"A256KW","enc":"A256GCM","kid":"a-key"}')
    expect(codeOf(() => parseJwe([header, ...rest].join('.')))).toBe('token-malformed')
  })

  it('a JWS header on five parts is refused (CVE-2023-51774)', () => {
    expect(codeOf(() => parseJwe(craft({ alg: 'HS256', kid: 'a-key', typ: 'JWT' })))).toBe('token-header')
  })

  it('an epk off the curve is undecryptable, and no oracle (CVE-2017-16007)', async () => {
    const algorithm: KeyAlgorithm = { alg: 'ECDH-ES+A256KW', curve: 'P-256' }
    const key = await generateMaterial(algorithm)
    const [, ...rest] = encrypt(Buffer.of(), { algorithm, key }).split('.')
    const coordinate = base64url(Buffer.alloc(32, 1))
    const epk = { kty: 'EC', crv: 'P-256', x: coordinate, y: coordinate }
    const header = base64url(JSON.stringify({ ...goodHeader, alg: algorithm.alg, epk }))
    expect(errorOf(() => decrypt([header, ...rest].join('.'), { algorithm, key }))).toBeInstanceOf(
      DecryptionError,
    )
  })

  it.each([
    undefined,
    null,
    'AAAA',
    {},
    { kty: 'EC', crv: 'P-256', x: 'AA' },
    { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: 'AA' },
    { kty: 'RSA', n: 'AA', e: 'AQAB' },
    { kty: 'oct', k: 'AA' },
  ])('epk %j is refused', (epk) => {
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, alg: 'ECDH-ES+A256KW', epk })))).toBe('token-header')
  })

  it('an epk where none belongs is refused', () => {
    const epk = { kty: 'OKP', crv: 'X25519', x: base64url(Buffer.alloc(32)) }
    expect(codeOf(() => parseJwe(craft({ ...goodHeader, epk })))).toBe('token-header')
  })

  it('no change of a single character leaves it decryptable', () => {
    const token = encrypt(Buffer.from('hello'), { context: { a: 'b' } })
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...'ABCxyz019-_.=+ {"'), (at, character) => {
        fc.pre(token[at] !== character)
        const changed = token.slice(0, at) + character + token.slice(at + 1)
        expect(() => decrypt(changed, { context: { a: 'b' } })).toThrow(KeyturnError)
      }),
      { numRuns: 500 },
    )
  })

  it('an encrypted key of megabytes is refused before it is decoded', () => {
    const [header, , ...rest] = craft(goodHeader).split('.')
    expect(codeOf(() => parseJwe([header, 'A'.repeat(8_193), ...rest].join('.')))).toBe('token-too-large')
  })

  it('an unwrapped key of the wrong length is undecryptable', () => {
    const parts = parseJwe(craft(goodHeader))
    for (const bytes of [0, 16, 31, 33]) {
      const options = { algorithm: A256KW, ref: encryptRef }
      expect(codeOf(() => decryptJwe(parts, Buffer.alloc(bytes), options))).toBe('decryption-failed')
    }
  })
})

describe('the purpose wall', () => {
  it('a signing key neither encrypts nor decrypts', () => {
    const ref = { ...encryptRef, purpose: 'sign' } as const
    const wrapped = { contentKey: newContentKey(), encryptedKey: Buffer.alloc(40) }
    const parts = parseJwe(craft(goodHeader))
    expect(codeOf(() => encryptJwe(Buffer.of(), wrapped, { algorithm: A256KW, kid: 'a', ref }))).toBe(
      'purpose-mismatch',
    )
    expect(codeOf(() => decryptJwe(parts, newContentKey(), { algorithm: A256KW, ref }))).toBe(
      'purpose-mismatch',
    )
    const algorithm: KeyAlgorithm = { alg: 'HS256' }
    expect(codeOf(() => encryptJwe(Buffer.of(), wrapped, { algorithm, kid: 'a', ref: encryptRef }))).toBe(
      'purpose-mismatch',
    )
    expect(codeOf(() => decryptJwe(parts, newContentKey(), { algorithm, ref: encryptRef }))).toBe(
      'purpose-mismatch',
    )
  })
})

describe('sizes', () => {
  it('what nobody would read is not made', () => {
    const contentKey = newContentKey()
    const wrapped = { contentKey, ...wrapContentKey(A256KW, secret, contentKey) }
    const options = { algorithm: A256KW, kid: 'a', ref: encryptRef }
    const data = Buffer.alloc(MAX_TOKEN_CHARS)
    expect(codeOf(() => encryptJwe(data, wrapped, { ...options, maxChars: MAX_TOKEN_CHARS }))).toBe(
      'invalid-input',
    )
    expect(codeOf(() => encryptJwe(Buffer.alloc(64 * 1024 * 1024 + 1), wrapped, options))).toBe(
      'invalid-input',
    )
    expect(encryptJwe(data, wrapped, options)).toBeTypeOf('string')
  })
})
