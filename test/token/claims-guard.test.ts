import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClaimsError } from '../../src/errors.ts'
import type { JsonObject, JsonValue } from '../../src/key/strict-json.ts'
import { findSensitiveClaims, guardClaims } from '../../src/token/claims-guard.ts'
import { busyFor } from '../support/cpu-time.ts'
import { generatePair } from '../support/key-pair.ts'
import { base64url, errorOf, goodHeader, signed } from './support.ts'

function found(claims: JsonObject): readonly string[] {
  return findSensitiveClaims(claims).map(({ claim }) => claim)
}

const luhn = (digits: string): string => {
  for (let last = 0; last < 10; last++) {
    const all = `${digits}${last}`
    const sum = [...all].reverse().reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 0 ? 1 : 2)
      return total + (value > 9 ? value - 9 : value)
    }, 0)
    if (sum % 10 === 0) return all
  }
  return expect.unreachable()
}

// Made here, so that nothing in the repository looks like somebody's card.
const visa = luhn('400000000000000')
const cards = {
  visa,
  mastercard: luhn('510000000000000'),
  'mastercard of the second series': luhn('222100000000000'),
  amex: luhn('34000000000000'),
  diners: luhn('3600000000000'),
  discover: luhn('601100000000000'),
  jcb: luhn('352800000000000'),
  unionpay: luhn('620000000000000'),
  'unionpay of 19 digits': luhn('620000000000000000'),
  maestro: luhn('675900000000000'),
}
const grouped = (digits: string, separator: string): string =>
  digits.replace(/(.{4})(?=.)/g, `$1${separator}`)

describe('the claims guard', () => {
  it('lets ordinary claims through', () => {
    const claims = {
      sub: 'user_123',
      name: 'Ada',
      preferred_username: 'ada',
      email_verified: true,
      phone_number_verified: false,
      roles: ['admin', 'email:read', 'password:reset'],
      scope: 'openid email phone address',
      amr: ['pwd', 'otp'],
      permissions: { email: true, address: false, password: null },
      auth_time: 1_767_225_600,
      updated_at: 1_767_225_600_123,
      cnf: { jkt: createHash('sha256').update('a').digest('base64url') },
      email_hash: createHash('sha256').update('b').digest('hex'),
      password_changed_at: 1_767_225_600,
      ip_address: '192.0.2.7',
      interface: { address: '2001:db8::1' },
      wallet: { address: '0x52908400098527886E0F7030069857D2E4169EE7' },
      access_token_hash: 'x4Q8CQ3Z',
      card_last4: '4242',
      secret_version: 3,
      is_mobile: true,
    }
    expect(found(claims)).toEqual([])
    expect(() => guardClaims(claims, new Set())).not.toThrow()
  })

  it.each([
    'email',
    'e-mail',
    'Email',
    'emails',
    'user_email',
    'primaryEmail',
    'phone_number',
    'phoneNumber',
    'Phone-Number',
    'PHONE_NUMBER',
    'phoneNumbers',
    'https://example.com/phone_number',
    'urn:example:phone',
    'ssn',
    'userSSN',
    'password',
    'Passwd',
    'db_password',
    'secret',
    'clientSecret',
    'API-Key',
    'APIKey',
    'access_token',
    'refreshToken',
    'private_key',
    'cardNumber',
    'credit_card',
    'cvv',
    'IBAN',
    'birthdate',
    'dateOfBirth',
    'dob',
    'given_name',
    'lastName',
    'mobile',
    'billing_address',
    'passport_number',
  ])('refuses a claim named %s', (name) => {
    expect(found({ [name]: 'something' })).toEqual([name])
    expect(found({ [name]: 7 })).toEqual([name])
    expect(found({ [name]: ['something'] })).toEqual([name])
    expect(found({ [name]: { value: 'something' } })).toEqual([name])
    expect(found({ [name]: true })).toEqual([])
    expect(found({ [name]: '' })).toEqual([])
  })

  it('refuses a postal address, and not the address of a host', () => {
    expect(found({ address: { formatted: '1 Main Street' } })).toEqual(['address'])
    expect(found({ address: '1 Main Street' })).toEqual(['address'])
    expect(found({ address: 'host.example.com' })).toEqual([])
  })

  it('looks into objects and lists, and names the path', () => {
    const claims = { org: { members: [{ id: 1 }, { profile: { email: 'x' } }, { profile: { email: 'y' } }] } }
    expect(found(claims)).toEqual(['org.members.profile.email'])
    expect(errorOf(() => guardClaims(claims, new Set()))).toMatchObject({
      claim: 'org.members.profile.email',
    })
  })

  it.each([
    ['an e-mail address', 'ada@example.com'],
    ['an e-mail address in a text', 'write to <ada.l+news@mail.example.co.uk>, please'],
    ['an e-mail address in other letters', 'müller@münchen.example'],
    ['a URL with a password', 'postgres://app:hunter2@db/prod'],
    ['a US social security number', '123-45-6789'],
    ['a US social security number in a text', 'SSN: 123-45-6789.'],
    ['a signed token', signed(goodHeader)],
    ['a signed token after a scheme', `Bearer ${signed(goodHeader)}`],
    [
      'a private key in PEM',
      generatePair('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    ],
    ['any PEM block', 'prefix -----BEGIN CERTIFICATE-----\nAAAA'],
  ])('refuses %s in a value', (_, value) => {
    expect(found({ note: value })).toEqual(['note'])
    expect(found({ notes: ['harmless', { text: value }] })).toEqual(['notes.text'])
  })

  it.each(Object.entries(cards))(
    'refuses the card number of %s, with spaces, with dashes and as a number',
    (_, digits) => {
      expect(found({ note: digits })).toEqual(['note'])
      expect(found({ note: `paid with ${digits}.` })).toEqual(['note'])
      if (digits.length === 16 || digits.length === 19) {
        expect(found({ note: grouped(digits, ' ') })).toEqual(['note'])
        expect(found({ note: grouped(digits, '-') })).toEqual(['note'])
      }
      if (Number.isSafeInteger(Number(digits))) expect(found({ note: Number(digits) })).toEqual(['note'])
    },
  )

  it('refuses the groups of an American Express card', () => {
    const digits = cards.amex
    const groups = [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10)]
    expect(found({ note: groups.join(' ') })).toEqual(['note'])
  })

  it('refuses a private key as a JWK, and not a public one', () => {
    const { privateKey, publicKey } = generatePair('ec', { namedCurve: 'P-256' })
    const jwk = (key: typeof privateKey): JsonObject => key.export({ format: 'jwk' }) as unknown as JsonObject
    expect(found({ cnf: { jwk: jwk(privateKey) } })).toEqual(['cnf.jwk'])
    expect(found({ cnf: { jwk: jwk(publicKey) } })).toEqual([])
    expect(found({ material: { kty: 'oct', k: 'AAAA' } })).toEqual(['material'])
  })

  it('does not look at the values of identifiers, at the top', () => {
    for (const claim of ['iss', 'sub', 'jti', 'sid', 'client_id', 'azp', 'aud']) {
      expect(found({ [claim]: visa })).toEqual([])
      expect(found({ [claim]: 'ada@example.com' })).toEqual([])
      expect(found({ act: { [claim]: 'ada@example.com' } })).toEqual([`act.${claim}`])
    }
    expect(found({ aud: ['api', 'ada@example.com'] })).toEqual([])
    expect(found({ sid: { email: 'x' } })).toEqual(['sid.email'])
  })

  it('lets what is encrypted through, whatever it is named: that is what it advises', () => {
    const header = base64url('{"alg":"A256KW","enc":"A256GCM","kid":"a"}')
    const jwe = `${header}.AAAA.BBBB.CCCC.DDDD`
    expect(found({ email: jwe, card_number: jwe, note: jwe })).toEqual([])
    const notEncrypted = `${base64url('{"alg":"A256KW"}')}.AAAA.BBBB.CCCC.DDDD`
    expect(found({ email: notEncrypted })).toEqual(['email'])
  })

  it('refuses data that is the name of a claim, and does not repeat it', () => {
    const claims = { accounts: { 'ada@example.com': true }, [visa]: 1 }
    expect(found(claims).toSorted()).toEqual(['*', 'accounts.*'])
    const error = errorOf(() => guardClaims({ accounts: { 'ada@example.com': true } }, new Set()))
    expect(error.message).not.toContain('ada')
  })

  it('allows a claim that is named, and that one alone', () => {
    const claims = { email: 'ada@example.com', user: { email: 'ada@example.com' } }
    expect(() => guardClaims({ email: 'ada@example.com' }, new Set(['email']))).not.toThrow()
    expect(errorOf(() => guardClaims(claims, new Set(['email'])))).toMatchObject({ claim: 'user.email' })
    expect(() => guardClaims(claims, new Set(['email', 'user.email']))).not.toThrow()
    expect(errorOf(() => guardClaims(claims, new Set(['user'])))).toMatchObject({ claim: 'email' })
    const address = { address: { formatted: '1 Main Street', email: 'x' } }
    expect(errorOf(() => guardClaims(address, new Set(['address'])))).toMatchObject({
      claim: 'address.email',
    })
  })

  it('names the claim, never its value, and points to encryption', () => {
    const error = errorOf(() => guardClaims({ user: { contact: 'ada@example.com' } }, new Set()))
    expect(error).toBeInstanceOf(ClaimsError)
    expect(error).toMatchObject({ code: 'claims', claim: 'user.contact' })
    expect(error.message).toContain('"user.contact"')
    expect(error.message).toContain('keyturn token encrypt')
    expect(JSON.stringify(error) + error.stack).not.toContain('ada@')
  })

  it('refuses what are no claims', () => {
    for (const claims of [null, undefined, 'ada', 7, ['ada']]) {
      expect(() => guardClaims(claims as unknown as JsonObject, new Set())).toThrow(ClaimsError)
    }
  })

  it('ends on what contains itself', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(() => guardClaims(circle as JsonObject, new Set())).toThrow(ClaimsError)
  })

  it('takes time in proportion to the text, whatever it is', () => {
    for (const text of [
      'a',
      '@',
      'a@',
      '@a.',
      '1',
      '1 ',
      '4-',
      '://',
      ':',
      'eyJ',
      'eyJ.',
      '-----BEGIN ',
      'ü@ü.',
    ]) {
      const claims = { note: text.repeat(200_000 / text.length) }
      expect(
        busyFor(() => findSensitiveClaims(claims)),
        text,
      ).toBeLessThan(500)
    }
  })
})

describe('claims that somebody made to keep the guard busy', () => {
  const MEBIBYTE = 1024 * 1024
  const nested = (depth: number, wrap: (inner: JsonValue) => JsonValue, inner: JsonValue): JsonValue =>
    depth === 0 ? inner : nested(depth - 1, wrap, wrap(inner))
  const members = (count: number, value: JsonValue): JsonObject =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, value]))

  const hostile: Record<string, JsonObject> = {
    'a name of half a million words': { ['aA'.repeat(MEBIBYTE / 2)]: 1 },
    'a name of separators': { [`password${'_'.repeat(MEBIBYTE)}`]: 1 },
    'a name of capitals': { ['A'.repeat(MEBIBYTE)]: 1 },
    'many names under a long one': { ['a'.repeat(MEBIBYTE / 2)]: members(60_000, 1) },
    'many findings under a long name': { ['a'.repeat(MEBIBYTE / 2)]: members(20_000, 'a@example.org') },
    'many lists of findings': { list: Array.from({ length: 40_000 }, () => ({ email: 'a@b.example' })) },
    'sensitive names around nothing': nested(
      30,
      (email) => ({ email }),
      Array(300_000).fill(''),
    ) as JsonObject,
    'sensitive names around what looks encrypted': nested(
      30,
      (email) => ({ email }),
      `eyJ${'A'.repeat(MEBIBYTE)}.A.A.A.A`,
    ) as JsonObject,
    'names that are addresses': Object.fromEntries(
      Array.from({ length: 50_000 }, (_, index) => [`a${index}@example.org`, 1]),
    ),
    'an address after every other character': { note: 'a@1.'.repeat(MEBIBYTE / 4) },
  }

  it.each(Object.entries(hostile))('%s is judged at once', (_, claims) => {
    expect(busyFor(() => findSensitiveClaims(claims))).toBeLessThan(500)
    const guarding = (): unknown => errorOf(() => guardClaims(claims, new Set(['list.email'])))
    expect(busyFor(guarding)).toBeLessThan(100)
  })

  it('objects that hold each other over and over are refused at once', () => {
    for (const name of ['a', 'email']) {
      const claims = nested(30, (one) => ({ [name]: one, b: one }), '') as JsonObject
      const guarding = (): unknown => errorOf(() => guardClaims(claims, new Set()))
      expect(guarding()).toMatchObject({ code: 'token-too-large' })
      expect(busyFor(guarding)).toBeLessThan(500)
    }
  })

  it('a token as large as they may be is looked at to its end', () => {
    const claims = { a: members(500, 'harmless'), z: 'ada@example.org' }
    expect(errorOf(() => guardClaims(claims, new Set()))).toMatchObject({ claim: 'z' })
    expect(found({ ...members(40_000, 'harmless text'), z: 'ada@example.org' })).toEqual(['z'])
  })

  it('a name is judged by its end, however long it is, and is not repeated in full', () => {
    const long = `${'x'.repeat(100_000)}_password`
    const [finding] = findSensitiveClaims({ user: { [long]: 'a' } })
    expect(finding).toEqual({
      claim: `user.${'x'.repeat(100)}…`,
      reason: 'its name says that it is a secret',
    })
    expect(errorOf(() => guardClaims({ [long.slice(-500)]: 'a' }, new Set())).message.length).toBeLessThan(
      500,
    )
  })

  it('at most a hundred findings are listed', () => {
    expect(found(members(5_000, 'a@example.org'))).toHaveLength(100)
    expect(found({ list: Array(5_000).fill('a@example.org'), z: 'a@example.org' })).toEqual(['list', 'z'])
  })
})

describe('false alarms', () => {
  const digits = (length: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length })
  const hex = (length: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
  const crockford = fc.string({
    unit: fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'),
    minLength: 26,
    maxLength: 26,
  })
  const decimalUuid = fc
    .tuple(digits(8), digits(4), digits(4), digits(4), digits(12))
    .map((groups) => groups.join('-'))
  // A time in milliseconds since some epoch in the high bits, as Discord and X make them until about 2040.
  const snowflake = fc
    .tuple(
      fc.bigInt({ min: 1n << 38n, max: 900_000_000_000n }),
      fc.bigInt({ min: 0n, max: (1n << 22n) - 1n }),
    )
    .map(([time, rest]) => String((time << 22n) | rest))
    .filter((id) => id.length >= 17)

  const harmless: Record<string, fc.Arbitrary<JsonValue>> = {
    'a UUID': fc.constant(null).map(() => randomUUID()),
    'a UUID of decimal digits': decimalUuid,
    'a SHA-256 in hex': hex(64),
    'an MD5 or trace id in hex': hex(32),
    'a span id in hex, with a letter': hex(15).map((id) => `${id}a`),
    'a SHA-256 in base64url': fc.uint8Array({ minLength: 32, maxLength: 32 }).map(base64url),
    'a ULID': crockford,
    'an identifier with a prefix': digits(16).map((id) => `cus_${id}`),
    'an identifier with a suffix': digits(16).map((id) => `${id}-a`),
    'an order number of up to 13 digits': fc.integer({ min: 1, max: 13 }).chain(digits),
    'a number of up to 13 digits': fc.integer({ min: 0, max: 9_999_999_999_999 }),
    'a time in milliseconds': fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
    'a phone-like number': fc.tuple(digits(3), digits(3), digits(4)).map((groups) => groups.join('-')),
    'a time': fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
      .map((date) => date.toISOString()),
    'a fraction': fc.double({ min: 0, max: 1, noNaN: true }),
    'a fraction as text': digits(16).map((fraction) => `0.${fraction}`),
    'a snowflake id': snowflake,
    'an IP address': fc.oneof(fc.ipV4(), fc.ipV6()),
    'a URL': fc.webUrl().filter((url) => !url.includes('@')),
    'a domain': fc.domain(),
    'a package and its version': digits(1).map((major) => `left-pad@${major}.2.3`),
    'a mention': fc.constant('@someone and @example.com'),
    'a version reference': fc.constant('production/sign/session-tokens@3'),
  }

  it.each(Object.entries(harmless))('are not raised for %s', (_, values) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(found({ id: value, list: [value] })).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('are raised for fewer than one in twenty random numbers of 16 digits', () => {
    const numbers = fc.sample(digits(16), 4_000)
    const alarms = numbers.filter((number) => found({ id: number }).length > 0)
    expect(alarms.length).toBeLessThan(200)
    expect(alarms.length).toBeGreaterThan(0)
  })
})
