import { createSecretKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { EncryptionHandle } from '../../src/backend/backend.ts'
import { createPolicy } from '../../src/key/policy.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { createKey } from '../../src/rotation/apply.ts'
import { CLAIMS, setStage, TO_API } from './support.ts'

/** Everything that anyone could read off an object without being let in. */
function surfacesOf(value: object): string {
  const names = (one: object | null): string[] =>
    one === null ? [] : [...Reflect.ownKeys(one).map(String), ...names(Object.getPrototypeOf(one))]
  return [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
    JSON.stringify(value),
    String(value),
    names(value).join(),
    JSON.stringify({ ...value }),
  ].join('\n')
}

/** A secret in every spelling in which it could be written down. */
function spellingsOf(secret: Buffer): readonly string[] {
  return [
    secret.toString('hex'),
    secret.toString('base64'),
    secret.toString('base64url'),
    inspect(secret).slice(8, 40),
    [...secret].join(', ').slice(0, 40),
  ]
}

describe('what an application holds', () => {
  it('shows its reference and algorithm, and no key material', async () => {
    const { keyring, test, clock } = await setStage()
    const secrets = { sign: randomBytes(32), encrypt: randomBytes(32) }
    for (const [name, algorithm] of [
      ['sign/mac', { alg: 'HS256' }],
      ['encrypt/data', { alg: 'A256KW' }],
    ] as const) {
      const ref = parseKeyRef(`production/${name}`)
      await createKey(test.real, ref, {
        algorithm,
        policy: createPolicy(ref.purpose),
        source: { kind: 'import', key: createSecretKey(secrets[ref.purpose]) },
        actor: 'test',
        now: () => Math.floor(clock.now() / 1000),
      })
    }
    const signer = await keyring.signer('mac')
    const verifier = await keyring.verifier('mac', { audience: 'api' })
    const encrypter = await keyring.encrypter('data')
    await verifier.verifyJwt(await signer.signJwt(CLAIMS, TO_API))
    await encrypter.decrypt(await encrypter.encrypt(Buffer.from('x')))
    const surfaces = [keyring, signer, verifier, encrypter].map(surfacesOf).join('\n')
    for (const secret of Object.values(secrets)) {
      for (const spelling of spellingsOf(secret)) expect(surfaces).not.toContain(spelling)
    }
    expect(surfaces).not.toMatch(/KeyObject|SecretKey|PrivateKey|<Buffer/)
    expect(inspect(signer)).toContain("name: 'mac'")
    expect(Object.keys(signer).sort()).toEqual(['algorithm', 'content', 'ref'])
    expect(Object.keys(verifier).sort()).toEqual(['algorithm', 'content', 'ref'])
    expect(Object.keys(encrypter).sort()).toEqual(['algorithm', 'ref'])
    expect(Object.keys(keyring).sort()).toEqual(['environment', 'issuer'])
  })
})

describe('a content key', () => {
  it('is wiped as soon as it has encrypted or decrypted', async () => {
    const { test, clock, create } = await setStage()
    await create('encrypt/data')
    const seen: Uint8Array[] = []
    const backend = new Proxy(test.real, {
      get(target, member) {
        const value: unknown = Reflect.get(target, member, target)
        if (member !== 'encryption') return typeof value === 'function' ? value.bind(target) : value
        return async (version: VersionRecord): Promise<EncryptionHandle> => {
          const handle = await target.encryption(version)
          return {
            ref: handle.ref,
            async createContentKey() {
              const made = await handle.createContentKey()
              seen.push(made.contentKey)
              return made
            },
            async unwrap(wrapped) {
              const unwrapped = await handle.unwrap(wrapped)
              seen.push(unwrapped)
              return unwrapped
            },
          }
        }
      },
    })
    const keyring = await openKeyring({ environment: 'production', backend, clock })
    const encrypter = await keyring.encrypter('data')
    const sealed = await encrypter.encrypt(Buffer.from('secret'))
    expect(Buffer.from(await encrypter.decrypt(sealed)).toString()).toBe('secret')
    expect(seen).toHaveLength(2)
    for (const contentKey of seen) expect(Buffer.from(contentKey).equals(Buffer.alloc(32))).toBe(true)
  })
})
