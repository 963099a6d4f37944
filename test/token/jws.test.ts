import { createPublicKey, createSecretKey, sign } from 'node:crypto'
import fc from 'fast-check'
import { CompactSign, compactVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { KeyturnError, TokenError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { generateMaterial, importPrivateJwk } from '../../src/material/generate.ts'
import { signWith, verifyWith } from '../../src/material/signature.ts'
import { MAX_TOKEN_CHARS } from '../../src/token/compact.ts'
import {
  decodePayload,
  encodeHeader,
  encodeJws,
  isMediaType,
  parseJwsHeader,
  splitJws,
} from '../../src/token/jws.ts'
import { generatePair } from '../support/key-pair.ts'
import {
  base64url,
  codeOf,
  ES256,
  errorOf,
  goodHeader,
  keyPair,
  openForeign,
  openStrictly,
  signed,
  verify,
} from './support.ts'

describe('a compact JWS', () => {
  it('carries its payload back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (payload) => {
        expect(new Uint8Array(openStrictly(signed(goodHeader, payload)))).toEqual(payload)
      }),
      { numRuns: 30 },
    )
  })

  it('has the header that was given, in that order', () => {
    const { encodedHeader } = splitJws(signed(goodHeader))
    expect(Buffer.from(encodedHeader, 'base64url').toString()).toBe(
      '{"alg":"ES256","kid":"a-key","typ":"JWT"}',
    )
    expect(parseJwsHeader(encodedHeader)).toEqual(goodHeader)
  })

  it('writes text as UTF-8', () => {
    expect(openStrictly(signed(goodHeader, 'Grüße 🔑')).toString()).toBe('Grüße 🔑')
  })

  it('is made at once by a key at hand, and later by one that is elsewhere', async () => {
    const sign = signWith(ES256, keyPair.privateKey)
    expect(encodeJws(encodeHeader(goodHeader), '{}', sign)).toBeTypeOf('string')
    const later = encodeJws(encodeHeader(goodHeader), '{}', async (data) => sign(data))
    expect(later).toBeInstanceOf(Promise)
    expect(openStrictly(await later).toString()).toBe('{}')
  })

  it('is not made when nobody would read it, and the key is not asked', () => {
    let asked = false
    const sign = (): Buffer => {
      asked = true
      return Buffer.alloc(64)
    }
    expect(codeOf(() => encodeJws('e30', Buffer.alloc(MAX_TOKEN_CHARS), sign))).toBe('token-too-large')
    expect(asked).toBe(false)
    const room = Math.floor((MAX_TOKEN_CHARS * 3) / 4) - 10
    expect(codeOf(() => encodeJws('e30', Buffer.alloc(room), sign))).toBe('token-too-large')
    expect(encodeJws('e30', Buffer.alloc(MAX_TOKEN_CHARS), sign, 100_000)).toBeTypeOf('string')
  })

  it.each(['ES256', 'ES512', 'EdDSA', 'HS256', 'PS256', 'RS256'] as const)(
    'of %s is understood by jose, and its by us',
    async (alg) => {
      const algorithm: KeyAlgorithm = /^[PR]S/.test(alg) ? { alg, modulusBits: 2048 } : { alg }
      const material = await generateMaterial(algorithm)
      const publicKey = material.type === 'secret' ? material : createPublicKey(material)
      const header = { alg, kid: 'a-key', typ: 'JWT' }
      const check = verifyWith(algorithm, publicKey)
      await fc.assert(
        fc.asyncProperty(fc.uint8Array(), async (payload) => {
          const ours = await encodeJws(encodeHeader(header), payload, signWith(algorithm, material))
          expect(new Uint8Array((await compactVerify(ours, publicKey)).payload)).toEqual(payload)
          const theirs = await new CompactSign(payload).setProtectedHeader(header).sign(material)
          expect(new Uint8Array(openStrictly(theirs, check, algorithm))).toEqual(payload)
        }),
        { numRuns: 10 },
      )
    },
  )
})

describe('attacks on the header', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', ' none', 'none '])(
    'alg %j is refused with a word of its own (CVE-2022-23540)',
    (alg) => {
      const withSignature = signed({ ...goodHeader, alg })
      const error = errorOf(() => openStrictly(withSignature))
      expect(error.code).toBe('token-algorithm')
      expect(error.message).toContain('not signed')
      const without = `${base64url(JSON.stringify({ ...goodHeader, alg }))}.e30.`
      expect(codeOf(() => openStrictly(without))).toBe('token-signature')
    },
  )

  it('a public key used as an HMAC secret is refused: alg comes from the key (CVE-2015-9235, CVE-2023-48223)', () => {
    const { publicKey } = keyPair
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }) as string,
      `\n ${publicKey.export({ type: 'spki', format: 'pem' }) as string}`,
      publicKey.export({ type: 'spki', format: 'der' }),
    ]) {
      const forge = signWith({ alg: 'HS256' }, createSecretKey(Buffer.from(secret)))
      const token = encodeJws(encodeHeader({ ...goodHeader, alg: 'HS256' }), '{}', forge) as string
      expect(codeOf(() => openStrictly(token))).toBe('token-algorithm')
      const disguised = encodeJws(encodeHeader(goodHeader), '{}', forge) as string
      expect(codeOf(() => openStrictly(disguised))).toBe('token-signature')
    }
  })

  it.each(['ES384', 'es256', 'ES256K', 'EdDSA', 'RS256'])(
    'alg %s under a key of ES256 is refused (RFC 8725 section 3.1)',
    (alg) => {
      expect(codeOf(() => openStrictly(signed({ ...goodHeader, alg })))).toBe('token-algorithm')
    },
  )

  it('an embedded jwk is refused, although its own signature is good (CVE-2018-0114)', () => {
    const attacker = generatePair('ec', { namedCurve: 'P-256' })
    const jwk = attacker.publicKey.export({ format: 'jwk' }) as Record<string, string>
    const token = encodeJws(
      encodeHeader({ ...goodHeader, jwk }),
      '{}',
      signWith(ES256, attacker.privateKey),
    ) as string
    const error = errorOf(() => openStrictly(token))
    expect(error.code).toBe('token-header')
    expect(error.message).toContain('jwk')
  })

  it.each(['jku', 'x5u', 'jwk', 'x5c'])('%s is never followed: its presence is refused', (name) => {
    for (const value of ['https://attacker.example/', ['MIIB'], {}, null, false]) {
      expect(codeOf(() => openStrictly(signed({ ...goodHeader, [name]: value })))).toBe('token-header')
    }
  })

  it.each([[['exp']], [['b64']], [['ktx']], [[]], ['exp'], [null], [{}], [['http://example.com/unknown']]])(
    'crit %j is refused (CVE-2026-32597)',
    (crit) => {
      expect(codeOf(() => openStrictly(signed({ ...goodHeader, crit, exp: 1, b64: true })))).toBe(
        'token-header',
      )
      expect(codeOf(() => openStrictly(signed({ ...goodHeader, crit })))).toBe('token-header')
    },
  )

  it.each([false, true, null])('b64: %s is refused, with and without crit (RFC 7797)', (b64) => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, b64 })))).toBe('token-header')
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, b64, crit: ['b64'] })))).toBe('token-header')
  })

  it('zip is refused: nothing is decompressed (CVE-2024-28176)', () => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, zip: 'DEF' })))).toBe('token-header')
  })

  it.each([
    ['enc', 'A256GCM'],
    ['p2c', 1_000_000_000],
    ['p2s', 'AAAA'],
    ['apu', 'AAAA'],
    ['apv', 'AAAA'],
  ])('%s has no place in a signed token (CVE-2023-51774)', (name, value) => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, [name]: value })))).toBe('token-header')
  })

  it.each([
    ['{"alg":"ES256","alg":"ES256","kid":"a-key","typ":"JWT"}'],
    ['{"alg":"ES256","kid":"a-key","kid":"a-key","typ":"JWT"}'],
    ['{"alg":"ES256","kid":"a-key","typ":"JWT","\\u0061lg":"none"}'],
    ['{"alg":"ES256","kid":"a-key","typ":"JWT","other":{"a":1,"a":2}}'],
  ])('duplicate members are refused: %s', (header) => {
    const error = errorOf(() => openStrictly(signed(header)))
    expect(error.code).toBe('token-malformed')
    expect(error.message).toContain('duplicate')
  })

  it.each([
    ['not JSON', '{alg:"ES256"}'],
    ['empty', ''],
    ['a list', '["ES256"]'],
    ['a string', '"ES256"'],
    ['null', 'null'],
    ['two values', '{"alg":"ES256"}{}'],
    ['a byte order mark', '\ufeff{"alg":"ES256","kid":"a-key","typ":"JWT"}'],
  ])('a header that is %s is refused', (_, header) => {
    expect(codeOf(() => openStrictly(signed(header)))).toBe('token-malformed')
  })

  it('a header that is not UTF-8 is refused', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"alg":"ES256","typ":"JWT","kid":"'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ])
    expect(codeOf(() => parseJwsHeader(bytes.toString('base64url')))).toBe('token-malformed')
  })

  it('a deeply nested header is refused before it is parsed (CVE-2025-53864)', () => {
    const header = `{"alg":"ES256","kid":"k","typ":"JWT","a":${'['.repeat(3_000)}${']'.repeat(3_000)}}`
    expect(codeOf(() => openStrictly(signed(header)))).toBe('token-malformed')
  })

  it('a long header is refused before it is parsed', () => {
    expect(codeOf(() => parseJwsHeader('e'.repeat(8_193)))).toBe('token-too-large')
  })

  it.each([undefined, null, 7, ['a-key'], { a: 1 }, ''])('kid %j is refused', (kid) => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, kid })))).toBe('token-header')
  })

  it.each([
    '../../etc/passwd',
    "' OR 1=1 --",
    'https://attacker.example/key',
    '\0',
    '__proto__',
    'constructor',
  ])('kid %j is text to compare and nothing else', (kid) => {
    const { encodedHeader } = splitJws(signed({ ...goodHeader, kid }))
    expect(parseJwsHeader(encodedHeader).kid).toBe(kid)
  })

  it.each([undefined, null, 7, ['ES256'], {}])('alg %j is refused', (alg) => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, alg })))).toBe('token-header')
  })

  it('a token without typ is refused: a JWT of one kind is not one of another (RFC 8725 section 3.11)', () => {
    expect(codeOf(() => openStrictly(signed({ alg: 'ES256', kid: 'a-key' })))).toBe('token-type')
  })

  it.each([null, 7, '', 'J T', 'JWT\n', '\u212aWT'])('typ %j is refused', (typ) => {
    expect(codeOf(() => openStrictly(signed({ ...goodHeader, typ })))).toBe('token-header')
  })

  it('a header named __proto__ changes nothing', () => {
    const token = signed('{"__proto__":{"kid":"a-key","typ":"JWT"},"alg":"ES256"}')
    expect(codeOf(() => openStrictly(token))).toBe('token-header')
  })

  it('unknown members are ignored (RFC 7515 section 4)', () => {
    expect(openStrictly(signed({ ...goodHeader, iat: 1, x5t: 'AAAA', other: { a: [1] } })).toString()).toBe(
      '{}',
    )
  })

  it('kid and typ are what a Keyturn token needs, and not what every JWS needs', () => {
    const token = signed({ alg: 'ES256' })
    expect(openForeign(token, verify, ES256).toString()).toBe('{}')
    expect(codeOf(() => openStrictly(token))).toBe('token-header')
  })
})

describe('attacks on the signature', () => {
  it('r = s = 0 and other degenerate signatures never verify (CVE-2022-21449)', () => {
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
    const zero = Buffer.alloc(32)
    const one = Buffer.alloc(32)
    one[31] = 1
    const { encodedHeader } = splitJws(signed(goodHeader))
    for (const r of [zero, one, order]) {
      for (const s of [zero, one, order]) {
        const token = `${encodedHeader}.e30.${base64url(Buffer.concat([r, s]))}`
        expect(codeOf(() => openStrictly(token))).toBe('token-signature')
      }
    }
  })

  it('a DER signature is refused where r || s is wanted', () => {
    const { signingInput } = splitJws(signed(goodHeader))
    const der = sign('sha256', signingInput, keyPair.privateKey)
    expect(codeOf(() => openStrictly(`${signingInput.toString()}.${base64url(der)}`))).toBe('token-signature')
  })

  it('a missing signature is refused', () => {
    const { signingInput } = splitJws(signed(goodHeader))
    expect(codeOf(() => openStrictly(`${signingInput.toString()}.`))).toBe('token-signature')
    expect(codeOf(() => openStrictly(signingInput.toString()))).toBe('token-malformed')
  })

  it('an empty or short HMAC secret is no key (CVE-2025-65945)', () => {
    for (const bytes of [0, 1, 31]) {
      const jwk = { kty: 'oct', k: Buffer.alloc(bytes, 7).toString('base64url') }
      expect(codeOf(() => importPrivateJwk(jwk, { alg: 'HS256' }))).toBe('weak-key')
    }
  })

  it('a second spelling of the signature is refused, so that a token has one text', () => {
    let token = signed(goodHeader)
    // 64 bytes leave four spare bits in the last of 86 characters.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.slice(-1))
    token = token.slice(0, -1) + alphabet[last + 1]
    expect(codeOf(() => openStrictly(token))).toBe('token-malformed')
  })

  it('a payload that is not canonical base64url is refused, although its signature is good', () => {
    const encodedHeader = encodeHeader(goodHeader)
    for (const payload of ['e31', 'e30=', 'e', 'e3 0']) {
      const input = `${encodedHeader}.${payload}`
      const signature = signWith(ES256, keyPair.privateKey)(Buffer.from(input)) as Uint8Array
      expect(codeOf(() => openStrictly(`${input}.${base64url(signature)}`))).toBe('token-malformed')
    }
    expect(codeOf(() => decodePayload('e31'))).toBe('token-malformed')
  })

  it('letters that only look like the signed ones in their low byte are refused', () => {
    const token = signed(goodHeader)
    const at = token.indexOf('.') + 1
    const shifted = String.fromCharCode(token.charCodeAt(at) + 0x100)
    expect(codeOf(() => openStrictly(token.slice(0, at) + shifted + token.slice(at + 1)))).toBe(
      'token-malformed',
    )
  })

  it('no change of a single character leaves a token valid', () => {
    const token = signed(goodHeader, '{"sub":"user_123"}')
    const characters = 'ABCabcxyz019-_.=+/ {"\0é'
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...characters), (at, character) => {
        fc.pre(token[at] !== character)
        expect(() => openStrictly(token.slice(0, at) + character + token.slice(at + 1))).toThrow(KeyturnError)
      }),
      { numRuns: 500 },
    )
  })

  it('no cut, repetition or exchange of parts leaves a token valid', () => {
    const tokens = [signed(goodHeader, '{"a":1}'), signed({ ...goodHeader, kid: 'b-key' }, '{"b":2}')]
    const parts = tokens.flatMap((token) => token.split('.'))
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts, ''), { maxLength: 6 }), (chosen) => {
        const token = chosen.join('.')
        fc.pre(!tokens.includes(token))
        expect(() => openStrictly(token)).toThrow(KeyturnError)
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (from, to) => {
        const [token = ''] = tokens
        const cut = token.slice(0, from) + token.slice(to)
        fc.pre(cut !== token)
        expect(() => openStrictly(cut)).toThrow(KeyturnError)
      }),
      { numRuns: 500 },
    )
  })
})

describe('comparing typ', () => {
  it.each([
    ['JWT', 'JWT'],
    ['jwt', 'JWT'],
    ['application/jwt', 'JWT'],
    ['at+jwt', 'application/AT+JWT'],
    ['APPLICATION/at+JWT', 'at+jwt'],
  ])('%s is %s', (actual, wanted) => {
    expect(isMediaType(actual, wanted)).toBe(true)
  })

  it.each([
    ['at+jwt', 'JWT'],
    ['JWT', 'at+jwt'],
    ['text/jwt', 'JWT'],
    ['application/application/jwt', 'JWT'],
    ['JW', 'JWT'],
  ])('%s is not %s', (actual, wanted) => {
    expect(isMediaType(actual, wanted)).toBe(false)
  })
})

describe('errors', () => {
  it('never repeat the token or what its header says', () => {
    const marker = 'm4rk3r'
    const headers = [
      { ...goodHeader, alg: marker },
      { ...goodHeader, jku: marker },
      { ...goodHeader, crit: [marker] },
      { alg: 'ES256', kid: marker },
      { ...goodHeader, typ: `${marker} ` },
    ]
    for (const header of headers) {
      const error = errorOf(() => openStrictly(signed(header, marker)))
      expect(error).toBeInstanceOf(TokenError)
      expect(JSON.stringify(error) + error.stack + String(error.cause)).not.toContain(marker)
    }
  })
})
