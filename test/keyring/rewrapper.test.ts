import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { CompactEncrypt, type CompactJWEHeaderParameters } from 'jose'
import { describe, expect, it } from 'vitest'
import type { EncryptionHandle } from '../../src/backend/backend.ts'
import { DecryptionError, NoActiveVersionError, PurposeMismatchError, TokenError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { importPublicJwk } from '../../src/key/jwk.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import type { Encrypter } from '../../src/keyring/encrypter.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import type { Rewrapper } from '../../src/keyring/rewrapper.ts'
import { inspectToken } from '../../src/token/inspect.ts'
import { CLAIMS, HOUR, MINUTE, type Stage, setStage, TO_API } from './support.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = [
  { alg: 'A256KW' },
  { alg: 'RSA-OAEP-256', modulusBits: 2048 },
  { alg: 'ECDH-ES+A256KW', curve: 'P-256' },
  { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
]
const ROW = { context: { table: 'patients', row: '42' } }
const SECRET = Buffer.from('blood group 0+')

interface Cast extends Stage {
  readonly encrypter: Encrypter
  readonly rewrapper: Rewrapper
  /** Made with version 1. */
  readonly old: string
}

async function castOf(algorithm: KeyAlgorithm = { alg: 'A256KW' }): Promise<Cast> {
  const stage = await setStage()
  await stage.create('encrypt/data', { algorithm })
  const encrypter = await stage.keyring.encrypter('data')
  const old = await encrypter.encrypt(SECRET, ROW)
  const rewrapper = await stage.keyring.rewrapper('data')
  return { ...stage, encrypter, rewrapper, old }
}

/** Makes version 2 the active one. */
async function takeOver({ rotate, clock, keyring }: Stage): Promise<void> {
  await rotate('encrypt/data')
  clock.advance(HOUR)
  await keyring.refresh()
}

async function mark(
  cast: Cast,
  number: number,
  type: 'compromised' | 'suspended' | 'destroyed',
): Promise<void> {
  await cast.record('encrypt/data', number, { type })
  await cast.keyring.refresh()
}

describe('rewrap', () => {
  for (const algorithm of ALGORITHMS) {
    it(`moves data from an old version to the active one with ${algorithm.alg} ${algorithm.curve ?? ''}`, async () => {
      const cast = await castOf(algorithm)
      await takeOver(cast)
      const { sealed, from, to, changed } = await cast.rewrapper.rewrap(cast.old, ROW)
      expect({ from: from.number, to: to.number, changed }).toEqual({ from: 1, to: 2, changed: true })
      expect(Buffer.from(await cast.encrypter.decrypt(sealed, ROW)).equals(SECRET)).toBe(true)
    })
  }

  it('leaves nothing that the old version could open', async () => {
    const cast = await castOf()
    await takeOver(cast)
    const { sealed } = await cast.rewrapper.rewrap(cast.old, ROW)
    const [before, after] = [cast.old.split('.'), sealed.split('.')]
    for (const index of [0, 1, 2, 3, 4]) expect(after[index]).not.toBe(before[index])
    await mark(cast, 1, 'destroyed')
    expect(Buffer.from(await cast.encrypter.decrypt(sealed, ROW)).equals(SECRET)).toBe(true)
    await expect(cast.encrypter.decrypt(cast.old, ROW)).rejects.toMatchObject({ code: 'token-key-state' })
  })

  it('binds the same context again, and needs it', async () => {
    const cast = await castOf()
    await takeOver(cast)
    for (const context of [{}, { table: 'patients' }, { table: 'patients', row: '43' }]) {
      await expect(cast.rewrapper.rewrap(cast.old, { context })).rejects.toThrow(DecryptionError)
    }
    const { sealed } = await cast.rewrapper.rewrap(cast.old, ROW)
    await expect(cast.encrypter.decrypt(sealed)).rejects.toThrow(DecryptionError)
  })

  it('binds what it checked, even if the caller changes it meanwhile', async () => {
    const cast = await castOf()
    await takeOver(cast)
    const context: Record<string, string> = { ...ROW.context }
    const running = cast.rewrapper.rewrap(cast.old, { context })
    context.row = '43'
    const { sealed } = await running
    expect(Buffer.from(await cast.encrypter.decrypt(sealed, ROW)).equals(SECRET)).toBe(true)
    const noContext = new Map(Object.entries(ROW.context)) as never
    await expect(cast.rewrapper.rewrap(cast.old, { context: noContext })).rejects.toMatchObject({
      code: 'invalid-input',
    })
  })

  it('gives back what is under the active version already, unless forced', async () => {
    const cast = await castOf()
    const again = await cast.rewrapper.rewrap(cast.old, ROW)
    expect(again).toMatchObject({ sealed: cast.old, changed: false, from: { number: 1 }, to: { number: 1 } })
    const forced = await cast.rewrapper.rewrap(cast.old, { ...ROW, force: true })
    expect(forced).toMatchObject({ changed: true, from: { number: 1 }, to: { number: 1 } })
    expect(forced.sealed.split('.')[1]).not.toBe(cast.old.split('.')[1])
    expect(Buffer.from(await cast.encrypter.decrypt(forced.sealed, ROW)).equals(SECRET)).toBe(true)
  })

  it('never moves data back from a version that a host with a faster clock made active first', async () => {
    const cast = await castOf()
    await cast.rotate('encrypt/data')
    await cast.keyring.refresh()
    const ahead = { now: () => cast.clock.now() + 16 * MINUTE, monotonic: () => cast.clock.monotonic() }
    const other = await openKeyring({ environment: 'production', backend: cast.test.real, clock: ahead })
    const newer = await (await other.encrypter('data')).encrypt(SECRET, ROW)
    await other.close()
    for (const force of [false, true]) {
      const { sealed, to, changed } = await cast.rewrapper.rewrap(newer, { ...ROW, force })
      expect({ same: sealed === newer, to: to.number, changed }).toEqual({
        same: true,
        to: 2,
        changed: false,
      })
    }
    await mark(cast, 2, 'compromised')
    const back = await cast.rewrapper.rewrap(newer, { ...ROW, acceptUnauthenticated: true })
    expect(back).toMatchObject({ changed: true, from: { number: 2 }, to: { number: 1 } })
  })

  it('takes data from a compromised version only when told that anyone may have written it', async () => {
    const cast = await castOf()
    await takeOver(cast)
    await mark(cast, 1, 'compromised')
    const refused = cast.rewrapper.rewrap(cast.old, ROW)
    await expect(refused).rejects.toMatchObject({ code: 'token-key-state' })
    await expect(refused).rejects.toThrow(/compromised: whoever has that key may have written it/)
    const { sealed, from } = await cast.rewrapper.rewrap(cast.old, { ...ROW, acceptUnauthenticated: true })
    expect(from.number).toBe(1)
    expect(Buffer.from(await cast.encrypter.decrypt(sealed, ROW)).equals(SECRET)).toBe(true)
    await expect(cast.encrypter.decrypt(cast.old, ROW)).rejects.toMatchObject({ code: 'token-key-state' })
  })

  for (const type of ['suspended', 'destroyed'] as const) {
    it(`refuses data of a ${type} version, whatever it is told`, async () => {
      const cast = await castOf()
      await takeOver(cast)
      await mark(cast, 1, type)
      for (const acceptUnauthenticated of [false, true]) {
        const refused = cast.rewrapper.rewrap(cast.old, { ...ROW, acceptUnauthenticated, force: true })
        await expect(refused).rejects.toMatchObject({ code: 'token-key-state' })
      }
    })
  }

  it('needs an active version to go to', async () => {
    const cast = await castOf()
    await takeOver(cast)
    await mark(cast, 2, 'suspended')
    await expect(cast.rewrapper.rewrap(cast.old, ROW)).rejects.toThrow(NoActiveVersionError)
  })

  it('keeps nested and direct JWTs what they are', async () => {
    const cast = await castOf()
    await cast.create('sign/tokens')
    const signer = await cast.keyring.signer('tokens')
    const verifier = await cast.keyring.verifier('tokens', { audience: 'api' })
    const direct = await cast.encrypter.encryptJwt(CLAIMS, { ...TO_API, ...ROW, expiresIn: '1h' })
    const nested = await cast.encrypter.encryptJwt(CLAIMS, { ...TO_API, signer, expiresIn: '1h' })
    await cast.rotate('encrypt/data')
    cast.clock.advance(20 * MINUTE)
    await cast.keyring.refresh()
    const movedDirect = await cast.rewrapper.rewrap(direct, ROW)
    const movedNested = await cast.rewrapper.rewrap(nested)
    expect(inspectToken(movedNested.sealed).header).toMatchObject({ typ: 'JWT', cty: 'JWT' })
    const options = { audience: 'api', ...ROW }
    expect((await cast.encrypter.decryptJwt(movedDirect.sealed, options)).claims).toMatchObject(CLAIMS)
    const opened = await cast.encrypter.decryptJwt(movedNested.sealed, { verifier })
    expect(opened).toMatchObject({ claims: CLAIMS, key: { number: 2 } })
  })

  it('refuses to drop header members that others wrote', async () => {
    const cast = await castOf({ alg: 'ECDH-ES+A256KW', curve: 'P-256' })
    const record = await cast.test.real.readKey(parseKeyRef('production/encrypt/data'))
    const [first] = record?.versions ?? []
    if (!first?.publicJwk) throw new Error('there is no public key')
    const header: CompactJWEHeaderParameters = {
      alg: 'ECDH-ES+A256KW',
      enc: 'A256GCM',
      kid: first.kid,
      cty: 'text/plain',
    }
    const sealAs = (more: object): Promise<string> =>
      new CompactEncrypt(SECRET)
        .setProtectedHeader({ ...header, ...more })
        .encrypt(importPublicJwk(first.publicJwk as never))
    const plain = await sealAs({})
    const rich = await sealAs({ case: '17' })
    await takeOver(cast)
    const { sealed } = await cast.rewrapper.rewrap(plain)
    expect(inspectToken(sealed).header).toMatchObject({ cty: 'text/plain' })
    const refused = cast.rewrapper.rewrap(rich)
    await expect(refused).rejects.toMatchObject({ code: 'token-header' })
    await expect(refused).rejects.toThrow(/"case"/)
  })

  it('refuses what is no JWE of this key: a signed token, another key, a changed part, a stranger', async () => {
    const cast = await castOf()
    await cast.create('sign/tokens')
    await cast.create('encrypt/other')
    const signed = await (await cast.keyring.signer('tokens')).signJwt(CLAIMS, TO_API)
    const foreign = await (await cast.keyring.encrypter('other')).encrypt(SECRET)
    await takeOver(cast)
    await expect(cast.rewrapper.rewrap(signed)).rejects.toThrow(PurposeMismatchError)
    await expect(cast.rewrapper.rewrap(foreign)).rejects.toMatchObject({ code: 'token-unknown-key' })
    await expect(cast.rewrapper.rewrap('')).rejects.toThrow(TokenError)
    const parts = cast.old.split('.')
    for (const [index, part] of parts.entries()) {
      const middle = Math.floor(part.length / 2)
      const changed = part.slice(0, middle) + (part[middle] === 'A' ? 'B' : 'A') + part.slice(middle + 1)
      await expect(cast.rewrapper.rewrap(parts.with(index, changed).join('.'), ROW)).rejects.toSatisfy(
        (error) => error instanceof DecryptionError || error instanceof TokenError,
      )
    }
  })

  it('stands behind the same walls as an encrypter', async () => {
    const { keyring, create } = await setStage()
    await create('sign/tokens')
    await expect(keyring.rewrapper('tokens')).rejects.toThrow(PurposeMismatchError)
    await expect(keyring.rewrapper('staging/encrypt/data')).rejects.toMatchObject({
      code: 'environment-mismatch',
    })
    await expect(keyring.rewrapper('nothing')).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a rewrapper', () => {
  it('has no way to the plaintext, and shows none', async () => {
    const cast = await castOf()
    await takeOver(cast)
    const result = await cast.rewrapper.rewrap(cast.old, ROW)
    const surfaces =
      inspect([cast.rewrapper, result], { depth: 9, showHidden: true }) + JSON.stringify(cast.rewrapper)
    expect(surfaces).not.toContain(SECRET.toString())
    expect(surfaces).not.toContain(SECRET.toString('base64url'))
    expect(Object.keys(cast.rewrapper).sort()).toEqual(['algorithm', 'ref'])
    expect(Object.getOwnPropertyNames(Object.getPrototypeOf(cast.rewrapper))).toEqual([
      'constructor',
      'rewrap',
    ])
  })

  it('wipes content keys and the plaintext', async () => {
    const cast = await castOf()
    const secret = randomBytes(64)
    const sealed = await cast.encrypter.encrypt(secret)
    await takeOver(cast)
    const contentKeys: Uint8Array[] = []
    const plaintexts: Uint8Array[] = []
    const backend = new Proxy(cast.test.real, {
      get(target, member) {
        const value: unknown = Reflect.get(target, member, target)
        if (member !== 'encryption') return typeof value === 'function' ? value.bind(target) : value
        return async (version: VersionRecord): Promise<EncryptionHandle> => {
          const handle = await target.encryption(version)
          return {
            ref: handle.ref,
            async createContentKey() {
              const made = await handle.createContentKey()
              contentKeys.push(made.contentKey)
              return made
            },
            async unwrap(wrapped) {
              const unwrapped = await handle.unwrap(wrapped)
              contentKeys.push(unwrapped)
              return unwrapped
            },
          }
        }
      },
    })
    const { fill } = Buffer.prototype
    Buffer.prototype.fill = function (this: Buffer, value: number) {
      if (this.equals(secret)) plaintexts.push(this)
      return fill.call(this, value)
    } as typeof fill
    try {
      const keyring = await openKeyring({ environment: 'production', backend, clock: cast.clock })
      await (await keyring.rewrapper('data')).rewrap(sealed)
      await keyring.close()
    } finally {
      Buffer.prototype.fill = fill
    }
    expect(contentKeys).toHaveLength(2)
    expect(plaintexts).toHaveLength(1)
    for (const one of [...contentKeys, ...plaintexts]) expect(one.every((byte) => byte === 0)).toBe(true)
  })
})
