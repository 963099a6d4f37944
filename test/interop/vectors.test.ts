import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseJwks } from '../../src/jwks/import.ts'
import { type KeyAlgorithm, parseAlgorithm } from '../../src/key/algorithm.ts'
import { importPublicJwk, modulusBitsOf } from '../../src/key/jwk.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { importPrivateJwk, type PrivateJwk } from '../../src/material/generate.ts'
import { signWith, type VerifyBytes, verifyWith } from '../../src/material/signature.ts'
import { MAX_TOKEN_CHARS } from '../../src/token/compact.ts'
import { parseJwe } from '../../src/token/jwe.ts'
import { encodeJws } from '../../src/token/jws.ts'
import { codeOf, openForeign } from '../token/support.ts'

/** The vectors are other people's files, and are not part of the repository. */
const folder = process.env.KEYTURN_VECTORS ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'vectors')
const isThere = existsSync(join(folder, 'wycheproof'))

if (!isThere) console.warn(`NOTICE: no test vectors in ${folder}; set KEYTURN_VECTORS to run them`)

it('the test vectors are there, wherever a build is decided on', () => {
  if (process.env.CI) expect(isThere, `no test vectors in ${folder}`).toBe(true)
})

type Jwk = JsonObject & { readonly kty: string; readonly alg?: string; readonly keys?: readonly Jwk[] }
interface Case {
  readonly tcId: number
  readonly comment: string
  readonly jws: string
  readonly result: 'valid' | 'invalid'
}
interface Group {
  readonly comment: string
  readonly public?: Jwk
  readonly private: Jwk
  readonly tests: readonly Case[]
}

function read<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(folder, ...path), 'utf8')) as T
}

interface Verifier {
  readonly algorithm: KeyAlgorithm
  readonly verify: VerifyBytes
}

/** Reads a key as the product reads it: public ones as a JWK Set, secrets as material to import. */
function verifierOf(jwk: Jwk, kid?: string): Verifier {
  if (jwk.kty === 'oct') {
    const algorithm = parseAlgorithm('sign', jwk.alg ?? '')
    return {
      algorithm,
      verify: verifyWith(algorithm, importPrivateJwk(jwk as unknown as PrivateJwk, algorithm)),
    }
  }
  const keys = parseJwks(jwk.keys ? jwk : { keys: [{ kid: 'unnamed', ...jwk }] })
  const key = kid === undefined ? keys[0] : keys.find((one) => one.kid === kid)
  if (!key) return expect.unreachable()
  return { algorithm: key.algorithm, verify: verifyWith(key.algorithm, importPublicJwk(key.publicJwk)) }
}

/** Undefined when it is accepted, else the code of the refusal. Whatever else is thrown fails the test. */
function refusal(jwk: Jwk, token: string, kid?: string): string | undefined {
  let accepted = false
  try {
    return codeOf(() => {
      const { algorithm, verify } = verifierOf(jwk, kid)
      openForeign(token, verify, algorithm)
      accepted = true
    })
  } catch (error) {
    if (accepted) return undefined
    throw error
  }
}

describe.skipIf(!isThere)('Wycheproof: JSON Web Signature', () => {
  // Valid by their label, and refused here: the key's own alg contradicts the token's (346, 347, 350, 351), or the token
  // has a character outside base64url (372, 373).
  const stricter: Record<number, string> = {
    346: 'token-algorithm',
    347: 'unsupported-algorithm',
    350: 'token-algorithm',
    351: 'unsupported-algorithm',
    372: 'token-malformed',
    373: 'token-malformed',
  }
  // Invalid by their label, although token and key are those of 357, which is valid: the padding that their comments speak
  // of is not in the file. No implementation can refuse the one and accept the other.
  const sameAs357 = [367, 370]
  const groups = isThere
    ? read<{ testGroups: Group[] }>('wycheproof', 'json_web_signature_test.json').testGroups
    : []
  const cases = groups.flatMap((group) =>
    group.tests.map((one) => ({ ...one, key: group.public ?? group.private })),
  )

  it('has the cases that this test was written for', () => {
    expect(cases).toHaveLength(401)
    expect(cases.filter(({ result }) => result === 'valid')).toHaveLength(46)
    expect(new Set(groups.map(({ public: shared, private: secret }) => (shared ?? secret).alg))).toEqual(
      new Set(['HS256', 'ES256', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES521', undefined]),
    )
  })

  it('has two cases that contradict a third, token for token', () => {
    const [valid, ...others] = [357, ...sameAs357].map((id) => cases.find(({ tcId }) => tcId === id))
    expect(valid?.result).toBe('valid')
    for (const other of others) {
      expect(other).toMatchObject({ jws: valid?.jws, key: valid?.key, result: 'invalid' })
      // With the padding that was meant, it is refused.
      expect(refusal(other?.key ?? expect.unreachable(), `${other?.jws}=`)).toBe('token-malformed')
      expect(refusal(other?.key ?? expect.unreachable(), `${other?.jws.replace('VGVzdA', 'VGVzdA==')}`)).toBe(
        'token-malformed',
      )
    }
  })

  it.each(cases.filter(({ tcId }) => !sameAs357.includes(tcId)))(
    '$tcId $comment is $result',
    ({ tcId, jws, result, key }) => {
      const code = refusal(key, jws)
      if (result === 'valid') expect(code).toBe(stricter[tcId])
      else expect(code).toMatch(/^token-|^purpose-mismatch$|^invalid-input$|^unsupported-algorithm$/)
    },
  )

  it('refuses keys for another use, and names that as the reason', () => {
    for (const id of [353, 354, 355, 356]) {
      const key = cases.find(({ tcId }) => tcId === id)?.key
      expect(() => parseJwks({ keys: [{ ...key, alg: 'RS256' }] })).toThrow(/\((use|key_ops)\)/)
    }
  })
})

describe.skipIf(!isThere)('Wycheproof: JSON Web Key', () => {
  const groups = isThere
    ? read<{ testGroups: Group[] }>('wycheproof', 'json_web_key_test.json').testGroups
    : []
  const cases = groups.flatMap((group) =>
    group.tests.map((one) => ({
      ...one,
      set: group.public ?? group.private,
      isPublic: group.public !== undefined,
    })),
  )
  const kidOf = (jws: string): string =>
    (JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid

  it('has the cases that this test was written for', () => {
    expect(cases).toHaveLength(26)
    expect(cases.filter(({ isPublic }) => isPublic)).toHaveLength(11)
    expect(cases.filter(({ result }) => result === 'valid').map(({ tcId }) => tcId)).toEqual([
      2, 5, 13, 14, 15,
    ])
  })

  it.each(cases)('$tcId $comment is $result', ({ jws, result, set, isPublic }) => {
    const code = refusal(set, jws, kidOf(jws))
    // A set with a secret in it is refused, valid or not: nothing of ours publishes or reads one.
    if (!isPublic) expect(code).toBe('invalid-input')
    else if (result === 'valid') expect(code).toBeUndefined()
    else expect(code).toMatch(/^(weak-key|invalid-input|unsupported-algorithm)$/)
  })

  it('takes the secrets of those sets one by one, and refuses the short and the wrong ones', () => {
    const outcome = (id: number): string | undefined => {
      const { set, jws } = cases.find(({ tcId }) => tcId === id) ?? expect.unreachable()
      const jwk = set.keys?.find(({ kid }) => kid === kidOf(jws)) ?? expect.unreachable()
      return refusal(jwk, jws)
    }
    expect([2, 13, 14, 15].map(outcome)).toEqual([undefined, undefined, undefined, undefined])
    expect(outcome(3)).toBe('token-signature')
    for (const id of [10, 11, 12, 16, 17, 18]) expect(outcome(id)).toBe('weak-key')
    for (const id of [25, 26]) expect(outcome(id)).toBe('unsupported-algorithm')
  })
})

interface CookbookJws {
  readonly input: { readonly payload: string; readonly key: Jwk; readonly alg: string }
  readonly signing: { readonly protected_b64u: string }
  readonly output: { readonly compact?: string; readonly json?: JsonObject; readonly json_flat?: JsonObject }
  readonly reproducible?: boolean
}

function cookbook<T>(...path: string[]): T {
  return read<T>('ietf-jose-cookbook', ...path)
}

/** The private half, for signing, and the public one or the secret, for verifying. */
function materialOf({
  key,
  alg,
}: {
  readonly key: Jwk
  readonly alg: string
}): Verifier & { readonly sign: ReturnType<typeof signWith> } {
  const modulusBits = key.kty === 'RSA' ? modulusBitsOf(String(key.n)) : undefined
  const algorithm = parseAlgorithm('sign', alg, { modulusBits })
  const material = importPrivateJwk(key as unknown as PrivateJwk, algorithm)
  const { d: _, p: __, q: ___, dp: ____, dq: _____, qi: ______, ...publicPart } = key
  const verifier = verifierOf({ ...publicPart, alg } as Jwk)
  return { ...verifier, sign: signWith(algorithm, material) }
}

describe.skipIf(!isThere)('the JOSE cookbook: signatures (RFC 7520 section 4, RFC 8037 appendix A)', () => {
  const supported = [
    ['jws', '4_1.rsa_v15_signature.json'],
    ['jws', '4_2.rsa-pss_signature.json'],
    ['jws', '4_3.ecdsa_signature.json'],
    ['jws', '4_4.hmac-sha2_integrity_protection.json'],
    ['curve25519', 'jws.json'],
  ]

  it.each(supported)(
    '%s/%s verifies, and is made again byte for byte where that is possible',
    async (...path) => {
      const { input, signing, output, reproducible } = cookbook<CookbookJws>(...path)
      const { algorithm, verify, sign } = materialOf(input)
      const { compact = '' } = output
      expect(openForeign(compact, verify, algorithm).toString()).toBe(input.payload)
      const again = await encodeJws(signing.protected_b64u, input.payload, sign)
      if (reproducible) expect(again).toBe(compact)
      expect(openForeign(again, verify, algorithm).toString()).toBe(input.payload)
    },
  )

  it('three of them are reproducible', () => {
    expect(supported.filter((path) => cookbook<CookbookJws>(...path).reproducible)).toHaveLength(3)
  })

  it('a detached payload is refused', () => {
    const { input, output } = cookbook<CookbookJws>('jws', '4_5.signature_with_detached_content.json')
    const { algorithm, verify } = materialOf(input)
    expect(codeOf(() => openForeign(output.compact ?? '', verify, algorithm))).toBe('token-signature')
  })

  it('unencoded payloads are refused (RFC 7797)', () => {
    const { input, output } = cookbook<CookbookJws>('rfc7797', 'hmac-sha2_b64_false.json')
    const { algorithm, verify } = materialOf(input)
    const { compact = '' } = output
    expect(codeOf(() => openForeign(compact, verify, algorithm))).toBe('token-malformed')
    const [header, , signature] = compact.split('.')
    expect(codeOf(() => openForeign(`${header}.AAAA.${signature}`, verify, algorithm))).toBe('token-header')
  })

  it.each([...readdirSafely('jws'), ...readdirSafely('rfc7797')])(
    '%s/%s in a JSON serialization is refused, and that is what it says',
    (...path) => {
      const { output } = cookbook<CookbookJws>(...path)
      for (const form of [output.json, output.json_flat]) {
        if (form === undefined) continue
        expect(() => openForeign(JSON.stringify(form), () => true, { alg: 'RS256' })).toThrow(
          /JSON serialization/,
        )
      }
    },
  )
})

describe.skipIf(!isThere)('the JOSE cookbook: encryption (RFC 7520 section 5)', () => {
  // None of them is A256GCM under an algorithm of ours; those are compared with jose, in test/token/jwe.test.ts.
  const refused: Record<string, string> = {
    '5_1': 'token-algorithm',
    '5_2': 'token-algorithm',
    '5_3': 'token-header',
    '5_4': 'token-algorithm',
    '5_5': 'token-algorithm',
    '5_6': 'token-algorithm',
    '5_7': 'token-algorithm',
    '5_8': 'token-algorithm',
    '5_9': 'token-header',
  }

  it.each(readdirSafely('jwe'))('%s/%s is refused cleanly', (...path) => {
    const { output } = cookbook<CookbookJws>(...path)
    const example = path[1]?.split('.')[0] ?? ''
    expect(output.compact === undefined).toBe(refused[example] === undefined)
    if (output.compact) expect(codeOf(() => parseJwe(output.compact ?? ''))).toBe(refused[example])
    expect(() => parseJwe(JSON.stringify(output.json))).toThrow(/JSON serialization/)
  })

  it('direct key agreement on X25519 is refused', () => {
    const { output } = cookbook<CookbookJws>('curve25519', 'ecdh-es.json')
    expect(codeOf(() => parseJwe(output.compact ?? ''))).toBe('token-algorithm')
  })

  it('of the nested example the signature verifies, and the encryption, RSA-OAEP with SHA-1, is refused', () => {
    const nested = cookbook<{
      sign: { input: CookbookJws['input']; output: { compact: string } }
      encrypt: { output: { compact: string } }
    }>('6.nesting_signatures_and_encryption.json')
    const { algorithm, verify } = materialOf({ ...nested.sign.input, alg: 'PS256' })
    expect(openForeign(nested.sign.output.compact, verify, algorithm).toString()).toContain(
      'hobbiton.example',
    )
    expect(codeOf(() => parseJwe(nested.encrypt.output.compact, MAX_TOKEN_CHARS))).toBe('token-algorithm')
  })
})

describe.skipIf(!isThere)('the JOSE cookbook: keys (RFC 7520 section 3)', () => {
  it.each([
    ['3_1.ec_public_key.json', 'ES512'],
    ['3_3.rsa_public_key.json', 'PS384'],
  ])('%s is a public key of a JWK Set', (file, alg) => {
    expect(parseJwks({ keys: [{ ...cookbook<Jwk>('jwk', file), alg }] })).toHaveLength(1)
  })

  it.each([
    ['3_2.ec_private_key.json', 'ES512'],
    ['3_4.rsa_private_key.json', 'RS256'],
    ['3_5.symmetric_key_mac_computation.json', 'HS256'],
  ])('%s is material to import, and never part of a JWK Set', (file, alg) => {
    const jwk = cookbook<Jwk>('jwk', file)
    const modulusBits = jwk.kty === 'RSA' ? 2048 : undefined
    const material = importPrivateJwk(
      jwk as unknown as PrivateJwk,
      parseAlgorithm('sign', alg, { modulusBits }),
    )
    expect(material.type).toBe(jwk.kty === 'oct' ? 'secret' : 'private')
    expect(codeOf(() => parseJwks({ keys: [{ ...jwk, alg }] }))).toBe('invalid-input')
  })

  it('the encryption key is no signing key', () => {
    const jwk = cookbook<Jwk>('jwk', '3_6.symmetric_key_encryption.json')
    expect(importPrivateJwk(jwk as unknown as PrivateJwk, { alg: 'A256KW' }).symmetricKeySize).toBe(32)
    expect(codeOf(() => parseAlgorithm('sign', String(jwk.alg)))).toBe('unsupported-algorithm')
  })
})

function readdirSafely(name: string): [string, string][] {
  if (!isThere) return []
  return readdirSync(join(folder, 'ietf-jose-cookbook', name)).map((file) => [name, file])
}
