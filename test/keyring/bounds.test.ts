import { describe, expect, it } from 'vitest'
import { Handles } from '../../src/keyring/handles.ts'
import { Headers } from '../../src/keyring/headers.ts'
import { SIGN_KEY, versionOf } from '../key/records.ts'

function encodedHeader(kid: string): string {
  return Buffer.from(JSON.stringify({ alg: 'ES256', kid, typ: 'JWT' })).toString('base64url')
}

describe('what is kept in memory', () => {
  it('is at most 64 headers, the newest ones', () => {
    const headers = new Headers('JWT')
    const remember = (kid: string): unknown => {
      const encoded = encodedHeader(kid)
      const header = headers.read(encoded)
      headers.remember(encoded, header)
      return header
    }
    const first = remember('first')
    expect(headers.read(encodedHeader('first'))).toBe(first)
    for (let index = 0; index < 63; index++) remember(`kid-${index}`)
    expect(headers.read(encodedHeader('first'))).toBe(first)
    const last = remember('last')
    expect(headers.read(encodedHeader('first'))).not.toBe(first)
    expect(headers.read(encodedHeader('last'))).toBe(last)
  })

  it('is no header of a token whose signature was not checked', () => {
    const headers = new Headers('JWT')
    expect(headers.read(encodedHeader('k'))).not.toBe(headers.read(encodedHeader('k')))
  })

  it('is no handle of a version that is of no use any more', async () => {
    let opened = 0
    const handles = new Handles(async ({ ref }) => ({ ref, serial: opened++ }))
    const [one, two] = [versionOf(SIGN_KEY, { number: 1 }), versionOf(SIGN_KEY, { number: 2 })]
    await handles.keep([one, two])
    await handles.keep([two])
    expect(handles.get(one)).toBeUndefined()
    expect(handles.get(two)).toMatchObject({ serial: 1 })
    await Promise.all([handles.open(one), handles.open(one), handles.open(two)])
    expect(opened).toBe(3)
  })

  it('is not spoilt by a handle that could not be opened', async () => {
    let isDown = true
    const handles = new Handles(async ({ ref }) => {
      if (isDown) throw new Error('down')
      return ref
    })
    const version = versionOf(SIGN_KEY, { number: 1 })
    expect((await handles.keep([version])).get(version)).toBeInstanceOf(Error)
    isDown = false
    await expect(handles.open(version)).resolves.toEqual(version.ref)
  })
})
