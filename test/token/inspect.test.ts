import { describe, expect, it } from 'vitest'
import { TokenError } from '../../src/errors.ts'
import { inspectToken } from '../../src/token/inspect.ts'
import { busyFor } from '../support/cpu-time.ts'

function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

describe('inspectToken', () => {
  it('shows what anyone can read of a signed token, and points out what they should not', () => {
    const claims = { sub: 'user_123', user: { email: 'ada@example.org' } }
    const token = `${encode({ alg: 'ES256', kid: 'k' })}.${encode(claims)}.${encode('signature')}`
    const inspected = inspectToken(token)
    expect(inspected).toMatchObject({ form: 'signed', header: { alg: 'ES256', kid: 'k' }, claims })
    expect(inspected.sensitive.map(({ claim }) => claim)).toEqual(['user.email'])
    expect(inspected.notice).toContain('anyone who sees this token can read it')
    expect(inspected.notice).toContain('Nothing was verified')
  })

  it('shows a token that no verifier would accept', () => {
    const { header } = inspectToken(`${encode({ alg: 'none', jku: 'https://evil.example' })}.${encode({})}.`)
    expect(header).toEqual({ alg: 'none', jku: 'https://evil.example' })
  })

  it('shows the size of signed bytes, and no claims', () => {
    const inspected = inspectToken(`${encode({ alg: 'ES256' })}.${encode('order 42')}.AAAA`)
    expect(inspected).toMatchObject({ payloadBytes: 8, sensitive: [] })
    expect(inspected.claims).toBeUndefined()
  })

  it('shows the header of an encrypted token, and says that nothing else can be read', () => {
    const token = [encode({ alg: 'A256KW', enc: 'A256GCM' }), 'AAAA', 'AAAA', encode('12345'), 'AAAA'].join(
      '.',
    )
    const inspected = inspectToken(token)
    expect(inspected).toMatchObject({ form: 'encrypted', header: { enc: 'A256GCM' }, payloadBytes: 5 })
    expect(inspected.notice).toContain('only the header is readable')
  })

  it('refuses what is no token', () => {
    for (const text of [
      '',
      'a.b',
      'a.b.c.d',
      `${encode([])}.AAAA.AAAA`,
      `${encode('{"a":1,"a":2}')}.AAAA.`,
    ]) {
      expect(() => inspectToken(text)).toThrow(TokenError)
    }
  })

  it('says at once what is in a token that is made to keep it busy, and how far it searched', () => {
    const claims = { ['aA'.repeat(500_000)]: { email: 'x' }, filler: 'a'.repeat(1_000_000) }
    const token = `${encode({ alg: 'ES256' })}.${encode(claims)}.AAAA`
    expect(busyFor(() => inspectToken(token))).toBeLessThan(500)
    const { sensitive, notice } = inspectToken(token)
    expect(sensitive).toHaveLength(1)
    expect(notice).toContain('only its first MiB was searched')
  })
})
