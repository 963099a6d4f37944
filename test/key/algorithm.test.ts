import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnsupportedAlgorithmError } from '../../src/errors.ts'
import {
  defaultAlgorithm,
  describeAlgorithm,
  ENCRYPT_ALGS,
  factsOf,
  isAsymmetric,
  parseAlgorithm,
  SIGN_ALGS,
} from '../../src/key/algorithm.ts'
import { formatAlgorithmTag, parseAlgorithmTag } from '../../src/key/tags.ts'
import { algorithmsOf, purposes } from './arbitraries.ts'

describe('algorithms', () => {
  const both = purposes.chain((purpose) => algorithmsOf(purpose).map((algorithm) => ({ purpose, algorithm })))

  it('are read back from what they are written as', () => {
    fc.assert(
      fc.property(both, ({ purpose, algorithm }) => {
        expect(parseAlgorithm(purpose, algorithm.alg, algorithm)).toEqual(algorithm)
        expect(parseAlgorithmTag(purpose, formatAlgorithmTag(algorithm))).toEqual(algorithm)
      }),
    )
  })

  it('have tags that are legal as GCP labels, and all different', () => {
    fc.assert(
      fc.property(both, both, (a, b) => {
        expect(formatAlgorithmTag(a.algorithm)).toMatch(/^[a-z0-9_-]{1,63}$/)
        const same = JSON.stringify(a.algorithm) === JSON.stringify(b.algorithm)
        expect(formatAlgorithmTag(a.algorithm) === formatAlgorithmTag(b.algorithm)).toBe(same)
      }),
    )
  })

  it('belong to one purpose each, and are refused for the other', () => {
    for (const alg of SIGN_ALGS) {
      expect(factsOf({ alg }).purpose).toBe('sign')
      expect(() => parseAlgorithm('encrypt', alg)).toThrow(UnsupportedAlgorithmError)
    }
    for (const alg of ENCRYPT_ALGS) {
      expect(factsOf({ alg }).purpose).toBe('encrypt')
      expect(() => parseAlgorithm('sign', alg)).toThrow(UnsupportedAlgorithmError)
    }
  })

  it.each([
    'none',
    'None',
    'NONE',
    '',
    'es256',
    'ES256 ',
    'ES256K',
    'HS1',
    'RSA1_5',
    'dir',
    'PBES2-HS256+A128KW',
    '__proto__',
    'constructor',
    'toString',
    'ES\u0662\u0665\u0666',
  ])('are refused when unknown: %j', (alg) => {
    expect(() => parseAlgorithm('sign', alg)).toThrow(UnsupportedAlgorithmError)
    expect(() => parseAlgorithm('encrypt', alg)).toThrow(UnsupportedAlgorithmError)
  })

  it('take a modulus of 2048 to 4096 bits, 3072 unless asked', () => {
    expect(parseAlgorithm('sign', 'PS256')).toEqual({ alg: 'PS256', modulusBits: 3072 })
    for (const modulusBits of [2048, 4096]) {
      expect(parseAlgorithm('sign', 'RS256', { modulusBits }).modulusBits).toBe(modulusBits)
    }
    for (const modulusBits of [0, 1024, 2047, 4097, 2048.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => parseAlgorithm('sign', 'RS256', { modulusBits })).toThrow(UnsupportedAlgorithmError)
    }
  })

  it('take no parameter that is not theirs, and no unknown curve', () => {
    expect(() => parseAlgorithm('sign', 'ES256', { curve: 'P-256' })).toThrow(/no choice of a curve/)
    expect(() => parseAlgorithm('sign', 'ES256', { modulusBits: 2048 })).toThrow(/no choice of a modulus/)
    expect(() => parseAlgorithm('encrypt', 'ECDH-ES+A256KW', { curve: 'P-384' })).toThrow(
      UnsupportedAlgorithmError,
    )
    expect(parseAlgorithm('encrypt', 'ECDH-ES+A256KW').curve).toBe('P-256')
  })

  it.each([
    'ES256',
    'es256_p-256',
    'es256_',
    'rs256',
    'rs256_1024',
    'rs256_03072',
    'rs256_3072_',
    'ecdh-es_a256kw',
    'ecdh-es+a256kw_p-256',
    'urn:keyturn:kms-wrap',
    'none',
    '',
  ])('are refused as the tag %j', (tag) => {
    expect(() => parseAlgorithmTag('sign', tag)).toThrow()
    expect(() => parseAlgorithmTag('encrypt', tag)).toThrow()
  })

  it('are described for people', () => {
    expect(describeAlgorithm({ alg: 'ES256' })).toBe('ES256')
    expect(describeAlgorithm({ alg: 'RS256', modulusBits: 3072 })).toBe('RS256 (3072 bits)')
    expect(describeAlgorithm({ alg: 'ECDH-ES+A256KW', curve: 'X25519' })).toBe('ECDH-ES+A256KW (X25519)')
  })

  it('default to ES256 and A256KW, of which only the first has a public half', () => {
    expect(isAsymmetric(defaultAlgorithm('sign'))).toBe(true)
    expect(defaultAlgorithm('sign')).toEqual({ alg: 'ES256' })
    expect(isAsymmetric(defaultAlgorithm('encrypt'))).toBe(false)
  })
})
