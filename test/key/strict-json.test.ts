import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../src/errors.ts'
import {
  checkMembers,
  isJsonObject,
  parseStrictJson,
  parseStrictJsonObject,
  stringMember,
} from '../../src/key/strict-json.ts'
import { busyFor } from '../support/cpu-time.ts'

const bytes = (...parts: readonly (string | number)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))))

describe('parseStrictJson', () => {
  it('reads what JSON.stringify writes, from text and from bytes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const expected = JSON.parse(text) as unknown
        expect(parseStrictJson(text)).toEqual(expected)
        expect(parseStrictJson(Buffer.from(text))).toEqual(expected)
        expect(parseStrictJson(JSON.stringify(expected, null, 3))).toEqual(expected)
      }),
    )
  })

  it('refuses an object that has any member twice, at any depth', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), fc.nat(8), (name, a, b, depth) => {
        const member = JSON.stringify(name)
        const object = `{${member}:${JSON.stringify(a)},"x y":{},${member}:${JSON.stringify(b)}}`
        fc.pre(name !== 'x y')
        const text = '[{"in":'.repeat(depth) + object + '}]'.repeat(depth)
        JSON.parse(text)
        expect(() => parseStrictJson(text)).toThrow(InvalidInputError)
      }),
    )
  })

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":1}',
    '{"\\u0061":1,"a":1}',
    '{"A":1,"\\u0041":2}',
    '{"/":1,"\\/":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":{"b":[{"c":1,"c":2}]}}',
    '{"a" : 1 , "b":2,\n"a"\t:\r 3}',
  ])('refuses duplicates however they are spelled: %s', (text) => {
    expect(() => parseStrictJson(text)).toThrow('it has duplicate JSON members')
  })

  it.each([
    '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a:b":":","c":"\\\\","d":"\\\\\\":"}',
    '{"a":"}{][","b":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"a":1,"A":2,"\u00e0":3}',
    '{"constructor":1,"toString":2,"__proto__":3}',
    '"just : a string"',
    'null',
  ])('is not confused by %s', (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text))
  })

  it('gives __proto__ no meaning', () => {
    const value = parseStrictJsonObject('{"__proto__":{"admin":true}}')
    expect(value.admin).toBeUndefined()
    expect(Object.keys(value)).toEqual(['__proto__'])
  })

  it('refuses nesting deeper than 32, of whatever length', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(Array.isArray(parseStrictJson(nested(32)))).toBe(true)
    for (const depth of [33, 1_000_000]) {
      expect(() => parseStrictJson(nested(depth))).toThrow(/deeper than 32/)
    }
    expect(() => parseStrictJson('{"a":'.repeat(33))).toThrow(/deeper than 32/)
    expect(() => parseStrictJson(`]${'['.repeat(100_000)}`)).toThrow(InvalidInputError)
  })

  it('refuses a byte order mark', () => {
    expect(() => parseStrictJson(bytes(0xef, 0xbb, 0xbf, '{}'))).toThrow(InvalidInputError)
    expect(() => parseStrictJson('\ufeff{}')).toThrow(InvalidInputError)
    expect(() => parseStrictJson(Buffer.from('{}', 'utf16le'))).toThrow(InvalidInputError)
  })

  it.each<[string, Uint8Array]>([
    ['a stray continuation', bytes('"', 0x80, '"')],
    ['an overlong slash', bytes('"', 0xc0, 0xaf, '"')],
    ['a surrogate', bytes('"', 0xed, 0xa0, 0x80, '"')],
    ['a torn sequence', bytes('"', 0xe2, 0x82, '"')],
    ['a code point past the last', bytes('"', 0xf4, 0x90, 0x80, 0x80, '"')],
  ])('refuses invalid UTF-8: %s', (_what, input) => {
    expect(() => parseStrictJson(input)).toThrow('it is not UTF-8')
  })

  it.each([
    '',
    ' ',
    '{',
    '{"a"}',
    "{'a':1}",
    '{"a":1,}',
    '[1,]',
    '01',
    '+1',
    'NaN',
    '{}{}',
    '{} x',
    '"a\nb"',
    '// c\n1',
    '"open',
    '{"a":1',
  ])('refuses what is not JSON: %j', (text) => {
    expect(() => parseStrictJson(text)).toThrow(InvalidInputError)
  })

  it('never repeats its input in an error', () => {
    for (const text of ['{"hunter2', '{"hunter2":1,"hunter2":2}', 'hunter2']) {
      expect(() => parseStrictJson(text)).toThrow(/^(?!.*hunter2)/)
    }
  })

  it('takes time in proportion to its input', () => {
    const text = JSON.stringify({ a: '\\"'.repeat(500_000), b: '\\'.repeat(500_000) })
    expect(busyFor(() => parseStrictJson(text))).toBeLessThan(5000)
  })
})

describe('members', () => {
  it('are all there, and no other', () => {
    expect(checkMembers({ a: 1, b: 2 }, 'it', ['a'], ['b'])).toEqual({ a: 1, b: 2 })
    expect(() => checkMembers({ b: 2 }, 'it', ['a'], ['b'])).toThrow('it lacks a')
    expect(() => checkMembers({ a: 1, c: 2 }, 'it', ['a'])).toThrow('it has an unknown member "c"')
    expect(() => checkMembers({}, 'it', ['toString'])).toThrow('it lacks toString')
  })

  it('belong to objects', () => {
    for (const value of [null, [], 'a', 1, true, undefined]) {
      expect(isJsonObject(value)).toBe(false)
      expect(() => checkMembers(value, 'it', [])).toThrow('it is not a JSON object')
    }
    expect(() => parseStrictJsonObject('[]')).toThrow('it is not a JSON object')
  })

  it('are strings where strings are asked for', () => {
    expect(stringMember({ a: 'x' }, 'a')).toBe('x')
    for (const a of [1, null, ['x']]) expect(() => stringMember({ a }, 'a')).toThrow('a is not a string')
  })
})
