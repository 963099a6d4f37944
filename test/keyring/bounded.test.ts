import { describe, expect, it } from 'vitest'
import type { CallOptions, EncryptionHandle, SigningHandle } from '../../src/backend/backend.ts'
import { versionRefOf } from '../../src/key/ref.ts'
import { boundEncryption, boundSigning } from '../../src/keyring/bounded.ts'
import { ENCRYPT_KEY, SIGN_KEY } from '../key/records.ts'

const never = (): Promise<never> => new Promise(() => undefined)
const late = { code: 'timeout' }

describe('a handle whose service accepts calls and never answers', () => {
  it('ends each call in time, whatever it does', async () => {
    const signing: SigningHandle = { ref: versionRefOf(SIGN_KEY, 1), sign: never, verify: never }
    const encryption: EncryptionHandle = {
      ref: versionRefOf(ENCRYPT_KEY, 1),
      createContentKey: never,
      unwrap: never,
    }
    const bounded = boundSigning(signing, 20)
    const sealed = boundEncryption(encryption, 20)
    await expect(bounded.sign(new Uint8Array())).rejects.toMatchObject(late)
    await expect(bounded.verify?.(new Uint8Array(), new Uint8Array())).rejects.toMatchObject(late)
    await expect(sealed.createContentKey()).rejects.toMatchObject(late)
    await expect(sealed.unwrap({ encryptedKey: new Uint8Array() })).rejects.toMatchObject(late)
  })

  it('is told until when, anew for each call', async () => {
    const deadlines: (number | undefined)[] = []
    const sign = (_: Uint8Array, options?: CallOptions): Uint8Array => {
      deadlines.push(options?.deadline)
      return new Uint8Array(1)
    }
    const before = Date.now()
    const bounded = boundSigning({ ref: versionRefOf(SIGN_KEY, 1), sign }, 60_000)
    bounded.sign(new Uint8Array())
    bounded.sign(new Uint8Array())
    for (const deadline of deadlines) expect(deadline).toBeGreaterThanOrEqual(before + 60_000)
    expect(deadlines).toHaveLength(2)
  })
})

describe('a handle that has its material at hand', () => {
  it('answers at once, as it did', () => {
    const signature = new Uint8Array([1])
    const bounded = boundSigning({ ref: versionRefOf(SIGN_KEY, 1), sign: () => signature }, 1_000)
    expect(bounded.sign(new Uint8Array())).toBe(signature)
    expect(bounded.verify).toBeUndefined()
  })
})
