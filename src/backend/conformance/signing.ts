import assert from 'node:assert/strict'
import { compactVerify, importJWK, type JWK } from 'jose'
import { describeAlgorithm, factsOf, isAsymmetric, type KeyAlgorithm } from '../../key/algorithm.ts'
import { encodeBase64url } from '../../key/base64url.ts'
import { importPublicJwk } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import { runtimeHas } from '../../material/generate.ts'
import { verifyWith } from '../../material/signature.ts'
import type { Backend, Capabilities, SigningHandle } from '../backend.ts'
import {
  algorithmFor,
  canSign,
  draftOf,
  ENVIRONMENT,
  everyKindAndSize,
  readVersion,
  sees,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { someBytes } from './use.ts'

/** Bytes of a signature of this algorithm, in the form that JWS has. */
function signatureBytes(algorithm: KeyAlgorithm): number {
  return factsOf(algorithm).signatureBytes ?? Math.ceil((algorithm.modulusBits ?? 0) / 8)
}

function withFlippedBit(bytes: Uint8Array, index: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[index] = (copy[index] ?? 0) ^ 1
  return copy
}

/** Verifies a signature over a whole JWS by an independent library that has nothing but the public key. */
async function verifiesOutside(version: VersionRecord, handle: SigningHandle): Promise<boolean> {
  const { alg } = version.algorithm
  const header = encodeBase64url(Buffer.from(JSON.stringify({ alg, kid: version.kid })))
  const input = `${header}.${encodeBase64url(someBytes(2_000))}`
  const signature = await handle.sign(Buffer.from(input))
  const key = await importJWK(version.publicJwk as JWK, alg)
  try {
    await compactVerify(`${input}.${encodeBase64url(signature)}`, key, { algorithms: [alg] })
    return true
  } catch {
    return false
  }
}

async function signsAsClaimed(backend: Backend, algorithm: KeyAlgorithm, name: string): Promise<void> {
  const what = describeAlgorithm(algorithm)
  const version = await backend.addVersion(draftOf(algorithm, { name }))
  const handle = await backend.signing(await readVersion(backend, version))
  const data = someBytes()
  const signature = await handle.sign(data)
  assert.equal(signature.length, signatureBytes(algorithm), `${what}: the length of the signature`)
  if (!isAsymmetric(algorithm)) return verifiesInside(handle, data, signature, what)
  assert.equal(handle.verify, undefined, `${what}: verifying takes the public key, and no backend`)
  if (!runtimeHas(algorithm)) return
  assert.equal(await verifiesOutside(version, handle), true, `${what}: the signature does not verify`)
}

async function verifiesInside(
  handle: SigningHandle,
  data: Uint8Array,
  signature: Uint8Array,
  what: string,
): Promise<void> {
  assert.ok(handle.verify, `${what}: only the handle can verify`)
  assert.equal(await handle.verify(data, signature), true, `${what}: its own signature`)
  const wrong: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
    ['a flipped first bit', data, withFlippedBit(signature, 0)],
    ['a flipped last bit', data, withFlippedBit(signature, signature.length - 1)],
    ['other data', withFlippedBit(data, 3), signature],
    ['a truncated signature', data, signature.subarray(0, -1)],
    ['a lengthened signature', data, Buffer.concat([signature, Buffer.alloc(1)])],
    ['an empty signature', data, new Uint8Array()],
  ]
  for (const [name, bytes, forged] of wrong) {
    assert.equal(await handle.verify(bytes, forged), false, `${what}: ${name}`)
  }
}

function hasSymmetric(capabilities: Capabilities): boolean {
  return capabilities.sign.some((algorithm) => !isAsymmetric(algorithm))
}

export const signingCases: readonly ConformanceCase[] = [
  {
    name: 'signing: with every algorithm claimed, signatures verify outside by the public key alone',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of everyKindAndSize(backend.capabilities.sign).entries()) {
        await signsAsClaimed(backend, algorithm, `sign-${index}`)
      }
    },
  },
  {
    name: 'signing: every version signs with its own key',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const asymmetric = backend.capabilities.sign.filter(isAsymmetric)
      const algorithm = asymmetric.length > 0 ? algorithmFor(backend, 'sign') : undefined
      if (!algorithm || !isAsymmetric(algorithm)) return
      const first = await backend.addVersion(draftOf(algorithm))
      const second = await backend.addVersion(draftOf(algorithm, { number: 2, createdAt: first.createdAt }))
      assert.notDeepEqual(first.publicJwk, second.publicJwk, 'two versions have one key')
      for (const version of [first, second]) {
        const handle = await backend.signing(version)
        assert.deepEqual({ ...handle.ref }, { ...version.ref }, 'the handle names another version')
        assert.equal(await verifiesOutside(version, handle), true, `version ${version.ref.number}`)
      }
      const other = await harness.open(ENVIRONMENT)
      const seen = await sees(harness, other, second)
      assert.equal(await verifiesOutside(second, await other.signing(seen)), true, 'another instance')
    },
  },
  {
    name: 'signing: a symmetric version verifies its own signatures, and no other version’s',
    requires: hasSymmetric,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = backend.capabilities.sign.find((one) => !isAsymmetric(one))
      assert.ok(algorithm)
      const first = await backend.addVersion(draftOf(algorithm))
      const second = await backend.addVersion(draftOf(algorithm, { number: 2, createdAt: first.createdAt }))
      const data = someBytes()
      const one = await backend.signing(first)
      const two = await backend.signing(second)
      const signature = await two.sign(data)
      assert.equal(await two.verify?.(data, signature), true)
      assert.equal(await one.verify?.(data, signature), false, 'version 1 takes a signature of version 2')
      const elsewhere = await harness.open(ENVIRONMENT)
      const seen = await sees(harness, elsewhere, second)
      const outside = await elsewhere.signing(seen)
      assert.equal(await outside.verify?.(data, signature), true, 'another instance')
    },
  },
  {
    name: 'signing: many signatures at once are all right',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(algorithmFor(backend, 'sign')))
      const handle = await backend.signing(version)
      const length = signatureBytes(version.algorithm)
      const sizes = Array.from({ length: 20 }, (_, index) => index + 1)
      const signatures = await Promise.all(sizes.map((size) => handle.sign(someBytes(size))))
      const { publicJwk, algorithm } = version
      const verify =
        publicJwk && runtimeHas(algorithm)
          ? verifyWith(algorithm, importPublicJwk(publicJwk))
          : (data: Uint8Array, signature: Uint8Array) => handle.verify?.(data, signature) ?? true
      for (const [index, signature] of signatures.entries()) {
        assert.equal(signature.length, length)
        assert.equal(await verify(someBytes(index + 1), signature), true, `signature ${index + 1} of 20`)
      }
    },
  },
]
