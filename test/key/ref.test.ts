import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EnvironmentMismatchError, InvalidInputError, PurposeMismatchError } from '../../src/errors.ts'
import {
  formatKeyRef,
  formatVersionRef,
  isSameKey,
  keyRefOf,
  parseEnvironment,
  parseKeyRef,
  parseKeySelector,
  parseName,
  parsePurpose,
  parseVersionNumber,
  parseVersionRef,
  quote,
  requireEnvironment,
  requirePurpose,
} from '../../src/key/ref.ts'
import { keyRefs, versionRefs } from './arbitraries.ts'
import { SIGN_KEY } from './records.ts'

describe('references', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(keyRefs, (ref) => {
        expect(parseKeyRef(formatKeyRef(ref))).toEqual(ref)
      }),
    )
    fc.assert(
      fc.property(versionRefs, (ref) => {
        expect(parseVersionRef(formatVersionRef(ref))).toEqual(ref)
      }),
    )
  })

  it('are written back as they were read, so that one thing has one spelling', () => {
    const almost = fc.stringMatching(/^[a-zA-Z0-9/@ .-]{1,40}$/)
    fc.assert(
      fc.property(almost, (text) => {
        let ref: ReturnType<typeof parseKeyRef>
        try {
          ref = parseKeyRef(text)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
          return
        }
        expect(formatKeyRef(ref)).toBe(text)
      }),
    )
  })

  it('select a key by as much as was typed', () => {
    expect(parseKeySelector('tokens')).toEqual({ name: 'tokens' })
    expect(parseKeySelector('tokens@12')).toEqual({ name: 'tokens', number: 12 })
    expect(parseKeySelector('sign/tokens')).toEqual({ purpose: 'sign', name: 'tokens' })
    expect(parseKeySelector('staging/encrypt/data@1')).toEqual({
      environment: 'staging',
      purpose: 'encrypt',
      name: 'data',
      number: 1,
    })
  })

  it.each([
    '',
    '@1',
    'a@',
    'a@0',
    'a@01',
    'a@1000000',
    'a@1e3',
    'a@-1',
    'a@1@2',
    'a/b/c/d',
    '/sign/a',
    'production//a',
    'production/sign/',
    'production/Sign/a',
    'production/sign/A',
    'PRODUCTION/sign/a',
    'production/sign/a ',
    ' production/sign/a',
    'production/sign/a\n',
    'production/sign/a\0',
    'production/sign/..',
    'production/sign/-a',
    'production/sign/9',
    'production/sign/a_b',
    'production/signing/a',
    'production/sign/\u0430', // a Cyrillic a
    'production/sign/\uff41', // a full-width a
    'production/si\u0261n/a', // a script g
    'productio\u0274/sign/a',
    'production\u2215sign\u2215a', // division slashes
    'production/sign/a@\u0661', // an Arabic-Indic one
    `production/sign/${'a'.repeat(42)}`,
    `${'e'.repeat(32)}/sign/a`,
    '__proto__',
    'constructor/sign/a@1x',
  ])('refuse %j', (text) => {
    expect(() => parseKeySelector(text)).toThrow(InvalidInputError)
  })

  it('are full where a full one is asked for', () => {
    for (const text of ['tokens', 'sign/tokens', 'production/sign/tokens@1']) {
      expect(() => parseKeyRef(text)).toThrow(/not a full key reference/)
    }
    for (const text of ['tokens@1', 'sign/tokens@1', 'production/sign/tokens']) {
      expect(() => parseVersionRef(text)).toThrow(/not a full version reference/)
    }
  })

  it('allow names and environments up to their longest, and numbers up to 999999', () => {
    expect(parseName('a'.repeat(41))).toHaveLength(41)
    expect(parseEnvironment('a'.repeat(31))).toHaveLength(31)
    expect(parseVersionNumber('999999')).toBe(999_999)
    expect(() => parsePurpose('signing')).toThrow(InvalidInputError)
  })

  it('lose what is not theirs', () => {
    expect(keyRefOf({ ...SIGN_KEY, ...{ number: 3 } })).toEqual(SIGN_KEY)
    expect(isSameKey(SIGN_KEY, { ...SIGN_KEY, purpose: 'encrypt' })).toBe(false)
  })
})

describe('the walls', () => {
  it('say which key, which line and what to do', () => {
    expect(() => requireEnvironment(SIGN_KEY, 'staging')).toThrow(EnvironmentMismatchError)
    expect(() => requireEnvironment(SIGN_KEY, 'staging')).toThrow(
      'production/sign/session-tokens belongs to environment production, but this is staging',
    )
    expect(() => requirePurpose(SIGN_KEY, 'encrypt', 'decrypt')).toThrow(PurposeMismatchError)
    expect(() => requirePurpose(SIGN_KEY, 'encrypt', 'decrypt')).toThrow(
      'is a signing key and cannot be used to decrypt',
    )
    requireEnvironment(SIGN_KEY, 'production')
    requirePurpose(SIGN_KEY, 'sign', 'sign')
  })
})

describe('quote', () => {
  it('lets nothing through that moves a cursor or turns text around', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        expect(quote(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
      }),
    )
    expect(quote('a\u202eb\u009bc')).toBe('"a\\u{202e}b\\u{9b}c"')
  })

  it('shortens what is long', () => {
    expect(quote('x'.repeat(10_000)).length).toBeLessThan(90)
  })
})
