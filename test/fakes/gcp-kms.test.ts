import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../backends/gcp-kms.ts'
import { type FakeKms, startFakeKms } from './gcp-kms/server.ts'

// What the backend relies on must be what the fake insists on: each rule is the service's own.

const LOCATION = 'projects/keyturn-test/locations/global'
const RING = `${LOCATION}/keyRings/r`

let kms: FakeKms
let client: ReturnType<typeof connect>

beforeAll(async () => {
  kms = await startFakeKms({ largestPage: 2 })
  client = connect(kms)
  await client.createKeyRing({ parent: LOCATION, keyRingId: 'r', keyRing: {} })
})

afterAll(async () => {
  await client.close()
  await kms.close()
})

type Algorithm = 'EC_SIGN_P256_SHA256' | 'HMAC_SHA256' | 'GOOGLE_SYMMETRIC_ENCRYPTION'

async function create(
  id: string,
  change: object = {},
  algorithm: Algorithm = 'HMAC_SHA256',
): Promise<string> {
  const purposes = {
    EC_SIGN_P256_SHA256: 'ASYMMETRIC_SIGN',
    HMAC_SHA256: 'MAC',
    GOOGLE_SYMMETRIC_ENCRYPTION: 'ENCRYPT_DECRYPT',
  } as const
  const cryptoKey = { purpose: purposes[algorithm], versionTemplate: { algorithm }, ...change }
  const [key] = await client.createCryptoKey({ parent: RING, cryptoKeyId: id, cryptoKey })
  const name = `${key.name}/cryptoKeyVersions/1`
  await expect
    .poll(async () => (await client.getCryptoKeyVersion({ name }))[0].state)
    .not.toBe('PENDING_GENERATION')
  return name
}

const statusOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 0,
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )

const [INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION] = [3, 5, 6, 9]

it('is spoken to by the SDK that is under test', () => {
  const require = createRequire(import.meta.url)
  const path = process.env.KEYTURN_GCP_KMS ?? require.resolve('@google-cloud/kms')
  expect(client).toBeInstanceOf(require(path).KeyManagementServiceClient)
  const { version } = require(join(dirname(path), '../../package.json'))
  expect(version).toMatch(process.env.KEYTURN_GCP_KMS === undefined ? /^5\./ : /^6\./)
})

describe('creating', () => {
  it('gives a name once, and keeps a deleted one', async () => {
    const version = await create('once')
    expect(await statusOf(create('once'))).toBe(ALREADY_EXISTS)
    const name = version.replace('/cryptoKeyVersions/1', '')
    kms.store.keys.delete(name)
    kms.store.retired.add(name)
    expect(await statusOf(create('once'))).toBe(ALREADY_EXISTS)
    expect(await statusOf(client.createKeyRing({ parent: LOCATION, keyRingId: 'r', keyRing: {} }))).toBe(
      ALREADY_EXISTS,
    )
  })

  it.each([
    ['an id with a dot', 'a.b', {}],
    ['an id of 64 characters', 'a'.repeat(64), {}],
    ['a label with a capital', 'labels', { labels: { Team: 'x' } }],
    ['a label value of 64 characters', 'labels', { labels: { team: 'x'.repeat(64) } }],
    [
      '65 labels',
      'labels',
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, 'x'])) },
    ],
    ['a destruction within 23 hours', 'soon', { destroyScheduledDuration: { seconds: 82_800 } }],
    ['a destruction after 121 days', 'late', { destroyScheduledDuration: { seconds: 121 * 86_400 } }],
    ['an algorithm of another purpose', 'misfit', { purpose: 'ASYMMETRIC_SIGN' }],
  ])('refuses %s', async (_, id, change) => {
    expect(await statusOf(create(id, change))).toBe(INVALID_ARGUMENT)
  })

  it('has no P-521', async () => {
    const cryptoKey = {
      purpose: 'ASYMMETRIC_SIGN',
      versionTemplate: { algorithm: 'RSA_SIGN_RAW_PKCS1_2048' },
    } as const
    expect(await statusOf(client.createCryptoKey({ parent: RING, cryptoKeyId: 'p', cryptoKey }))).toBe(
      INVALID_ARGUMENT,
    )
  })

  it('needs a key ring', async () => {
    const parent = `${LOCATION}/keyRings/none`
    const cryptoKey = { purpose: 'MAC', versionTemplate: { algorithm: 'HMAC_SHA256' } } as const
    expect(await statusOf(client.createCryptoKey({ parent, cryptoKeyId: 'k', cryptoKey }))).toBe(NOT_FOUND)
    expect(await statusOf(client.listCryptoKeys({ parent }))).toBe(NOT_FOUND)
  })

  it('gives native versions the next number', async () => {
    const first = await create('many')
    const [second] = await client.createCryptoKeyVersion({
      parent: first.slice(0, -20),
      cryptoKeyVersion: {},
    })
    expect(second.name).toBe(first.replace(/1$/, '2'))
  })
})

describe('listing', () => {
  it('turns pages, and filters by a part of the name', async () => {
    for (const id of ['page-a', 'page-b', 'Page-C', 'other']) await create(id)
    const [found] = await client.listCryptoKeys({ parent: RING, filter: 'name:"/page-"' })
    expect(found.map(({ name }) => name?.split('/').at(-1))).toEqual(['Page-C', 'page-a', 'page-b'])
    const [, , page] = await client.listCryptoKeys({ parent: RING, pageSize: 1_000 }, { autoPaginate: false })
    expect(page.cryptoKeys).toHaveLength(2)
    expect(page.nextPageToken).not.toBe('')
    expect(await statusOf(client.listCryptoKeys({ parent: RING, filter: 'labels.a=b OR' }))).toBe(
      INVALID_ARGUMENT,
    )
  })
})

describe('labels', () => {
  it('are replaced as a whole, without a compare-and-set', async () => {
    const name = (await create('labelled', { labels: { a: '1', b: '2' } })).replace(
      '/cryptoKeyVersions/1',
      '',
    )
    const updateMask = { paths: ['labels'] }
    await client.updateCryptoKey({ cryptoKey: { name, labels: { c: '3' } }, updateMask })
    const [key] = await client.getCryptoKey({ name })
    expect(key.labels).toEqual({ c: '3' })
    expect(key).not.toHaveProperty('etag')
    expect(
      await statusOf(client.updateCryptoKey({ cryptoKey: { name }, updateMask: { paths: ['purpose'] } })),
    ).toBe(INVALID_ARGUMENT)
  })
})

describe('states', () => {
  it('follow each other as the service has them', async () => {
    const name = await create('states', {}, 'EC_SIGN_P256_SHA256')
    const set = (state: 'ENABLED' | 'DISABLED' | 'DESTROYED') =>
      client.updateCryptoKeyVersion({ cryptoKeyVersion: { name, state }, updateMask: { paths: ['state'] } })
    expect(await statusOf(set('DESTROYED'))).toBe(INVALID_ARGUMENT)
    expect(await statusOf(client.restoreCryptoKeyVersion({ name }))).toBe(FAILED_PRECONDITION)
    expect(await statusOf(client.getPublicKey({ name, publicKeyFormat: 'PEM' }))).toBe(0)
    await set('DISABLED')
    expect(await statusOf(client.getPublicKey({ name, publicKeyFormat: 'PEM' }))).toBe(FAILED_PRECONDITION)
    await set('ENABLED')
    await client.destroyCryptoKeyVersion({ name })
    expect(await statusOf(client.destroyCryptoKeyVersion({ name }))).toBe(FAILED_PRECONDITION)
    expect(await statusOf(set('ENABLED'))).toBe(FAILED_PRECONDITION)
    const [restored] = await client.restoreCryptoKeyVersion({ name })
    expect(restored.state).toBe('DISABLED')
    await client.destroyCryptoKeyVersion({ name })
    kms.store.elapse(30 * 86_400_000)
    expect((await client.getCryptoKeyVersion({ name }))[0].state).toBe('DESTROYED')
    expect(await statusOf(client.restoreCryptoKeyVersion({ name }))).toBe(FAILED_PRECONDITION)
  })
})

describe('using', () => {
  it('needs the purpose, an enabled version, and data of a size that is allowed', async () => {
    const mac = await create('mac')
    expect(await statusOf(client.macSign({ name: mac, data: Buffer.from('x') }))).toBe(0)
    expect(await statusOf(client.macSign({ name: mac, data: Buffer.alloc(65_537) }))).toBe(INVALID_ARGUMENT)
    expect(await statusOf(client.asymmetricSign({ name: mac, data: Buffer.from('x') }))).toBe(
      INVALID_ARGUMENT,
    )
    expect(await statusOf(client.getPublicKey({ name: mac }))).toBe(INVALID_ARGUMENT)
    const hsm = await create('hsm', { versionTemplate: { algorithm: 'HMAC_SHA256', protectionLevel: 'HSM' } })
    expect(await statusOf(client.macSign({ name: hsm, data: Buffer.alloc(8_193) }))).toBe(INVALID_ARGUMENT)
  })

  it('verifies a checksum that was sent, and says so', async () => {
    const name = await create('sums')
    const data = Buffer.from('123456789')
    const [checked] = await client.macSign({ name, data, dataCrc32c: { value: 0xe3069283 } })
    expect(checked.verifiedDataCrc32c).toBe(true)
    const [unchecked] = await client.macSign({ name, data })
    expect(unchecked.verifiedDataCrc32c).toBe(false)
    const wrong = client.macSign({ name, data, dataCrc32c: { value: 1 } })
    await expect(wrong).rejects.toThrow('The checksum in field data_crc32c did not match')
  })

  it('gives a public key as PEM, or in the format that was asked for and nowhere else', async () => {
    const name = await create('public', {}, 'EC_SIGN_P256_SHA256')
    const [plain] = await client.getPublicKey({ name })
    expect(plain.pem).toMatch(/^-----BEGIN PUBLIC KEY-----/)
    expect(plain.publicKey).toBeNull()
    const [asked] = await client.getPublicKey({ name, publicKeyFormat: 'PEM' })
    expect(asked.pem).toBe('')
    expect(Buffer.from(asked.publicKey?.data ?? '').toString()).toBe(plain.pem)
    expect(await statusOf(client.getPublicKey({ name, publicKeyFormat: 'NIST_PQC' }))).toBe(INVALID_ARGUMENT)
  })

  it('decrypts only what its own key encrypted, with the same context', async () => {
    const name = await create('wrap', {}, 'GOOGLE_SYMMETRIC_ENCRYPTION')
    const other = await create('wrap-2', {}, 'GOOGLE_SYMMETRIC_ENCRYPTION')
    const context = Buffer.from('context')
    const [{ ciphertext }] = await client.encrypt({
      name,
      plaintext: Buffer.from('secret'),
      additionalAuthenticatedData: context,
    })
    const decrypt = (version: string, additionalAuthenticatedData: Buffer) =>
      client.decrypt({
        name: version.slice(0, -20),
        ciphertext: ciphertext ?? null,
        additionalAuthenticatedData,
      })
    const [opened] = await decrypt(name, context)
    expect(Buffer.from(opened.plaintext ?? '').toString()).toBe('secret')
    expect(await statusOf(decrypt(other, context))).toBe(INVALID_ARGUMENT)
    expect(await statusOf(decrypt(name, Buffer.from('another')))).toBe(INVALID_ARGUMENT)
  })
})
