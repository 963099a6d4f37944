import assert from 'node:assert/strict'
import { createHmac, createPublicKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { BackendError, MaterialReusedError, VersionConflictError, WeakKeyError } from '../../errors.ts'
import { factsOf, isAsymmetric, type KeyAlgorithm } from '../../key/algorithm.ts'
import { keyRefOf } from '../../key/ref.ts'
import { generateMaterial, publicJwkOf } from '../../material/generate.ts'
import { newPrivateKey } from '../../material/private-key.ts'
import type { Backend, Capabilities } from '../backend.ts'
import { collect, plain, refuses, refusesSomehow } from './expect.ts'
import {
  anyAlgorithm,
  draftOf,
  ENVIRONMENT,
  OTHER_ENVIRONMENT,
  oneOfEach,
  oneOfEachFamily,
  readExisting,
  readVersion,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { assertKept } from './records.ts'
import { someBytes, useOf } from './use.ts'

const canImport = (capabilities: Capabilities): boolean => capabilities.import

function importable(backend: Backend): readonly KeyAlgorithm[] {
  const { sign, encrypt } = backend.capabilities
  return oneOfEach([...sign, ...encrypt]).filter((algorithm) => factsOf(algorithm).family !== 'kms')
}

function findAlgorithm(backend: Backend, alg: string): KeyAlgorithm | undefined {
  return importable(backend).find((algorithm) => algorithm.alg === alg)
}

function importOf(
  algorithm: KeyAlgorithm,
  key: KeyObject,
  name: string,
  number = 1,
): ReturnType<typeof draftOf> {
  return draftOf(algorithm, { name, number, source: { kind: 'import', key } })
}

/** Material that fits no algorithm it is given for, by the algorithm. */
function weakMaterial(): readonly (readonly [string, string, KeyObject])[] {
  const p384 = newPrivateKey('ec', { namedCurve: 'P-384' })
  const small = newPrivateKey('rsa', { modulusLength: 1024 })
  return [
    ['ES256', 'a key on P-384', p384],
    ['ES256', 'an RSA key', small],
    ['ES256', 'a public key', createPublicKey(newPrivateKey('ec', { namedCurve: 'P-256' }))],
    ['Ed25519', 'a key on P-384', p384],
    ['RS256', 'an RSA key of 1024 bits', small],
    ['RSA-OAEP-256', 'an RSA key of 1024 bits', small],
    ['HS256', 'a secret of 16 bytes', createSecretKey(randomBytes(16))],
    ['HS256', 'an asymmetric key', p384],
    ['A256KW', 'a secret of 16 bytes', createSecretKey(randomBytes(16))],
    ['A256KW', 'a secret of 64 bytes', createSecretKey(randomBytes(64))],
  ]
}

async function matchesOutside(backend: Backend, algorithm: KeyAlgorithm, key: KeyObject): Promise<void> {
  if (algorithm.alg === 'HS256') {
    const version = await backend.addVersion(importOf(algorithm, key, 'hmac-outside'))
    const signature = await (await backend.signing(version)).sign(someBytes())
    const expected = createHmac('sha256', key).update(someBytes()).digest()
    assert.deepEqual(Buffer.from(signature), expected, 'the HMAC is not that of the imported secret')
  }
  if (algorithm.alg === 'A256KW') {
    const version = await backend.addVersion(importOf(algorithm, key, 'wrap-outside'))
    const handle = await backend.encryption(version)
    const { contentKey, encryptedKey } = await handle.createContentKey()
    const jwe = await new CompactEncrypt(Buffer.from('x'))
      .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
      .encrypt(key)
    const [, wrapped = ''] = jwe.split('.')
    assert.equal((await handle.unwrap({ encryptedKey: Buffer.from(wrapped, 'base64url') })).length, 32)
    assert.ok(encryptedKey.length === 40 && contentKey.length === 32)
    assert.equal((await compactDecrypt(jwe, key)).plaintext.length, 1)
  }
}

export const importCases: readonly ConformanceCase[] = [
  {
    name: 'import: imported material is the one that is used',
    requires: canImport,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of oneOfEachFamily(importable(backend)).entries()) {
        const key = await generateMaterial(algorithm)
        const draft = importOf(algorithm, key, `imported-${index}`)
        const version = await backend.addVersion(draft)
        assertKept(backend, version, draft)
        assert.deepEqual(plain(await readVersion(backend, version)), plain(version))
        const publicJwk = publicJwkOf(key)
        assert.deepEqual(plain({ key: version.publicJwk }), plain({ key: publicJwk }), 'the public key')
        await useOf(backend, version)
        if (!isAsymmetric(algorithm))
          await matchesOutside(backend, algorithm, await generateMaterial(algorithm))
      }
    },
  },
  {
    name: 'import: material that does not fit, or is weak, is refused and leaves nothing',
    requires: canImport,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [alg, what, key] of weakMaterial()) {
        const algorithm = findAlgorithm(backend, alg)
        if (!algorithm) continue
        const draft = importOf(algorithm, key, 'weak')
        await refuses(() => backend.addVersion(draft), WeakKeyError, `${what} for ${alg}`)
        assert.equal(await backend.readKey(keyRefOf(draft.ref)), undefined)
      }
      assert.deepEqual(await collect(backend.diagnose({})), [])
    },
  },
  {
    name: 'import: no material serves twice in an environment',
    requires: canImport,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const alg of ['ES256', 'HS256', 'A256KW', 'Ed25519', 'RS256']) {
        const algorithm = findAlgorithm(backend, alg)
        if (!algorithm) continue
        const key = await generateMaterial(algorithm)
        const lower = alg.toLowerCase()
        const first = await backend.addVersion(importOf(algorithm, key, `${lower}-one`))
        const drafts = [
          importOf(algorithm, key, `${lower}-one`, 2),
          importOf(algorithm, key, `${lower}-two`),
          ...sameMaterialElsewhere(backend, algorithm, key),
        ]
        for (const draft of drafts) {
          const what = `${alg} material again, as ${draft.ref.purpose}/${draft.ref.name}@${draft.ref.number}`
          const other = await harness.open(ENVIRONMENT)
          await refuses(() => other.addVersion(draft), MaterialReusedError, what)
        }
        assert.equal((await readExisting(backend, first.ref)).versions.length, 1)
        assert.equal(await backend.readKey({ ...keyRefOf(first.ref), name: `${lower}-two` }), undefined)
        await useOf(backend, first)
      }
      assert.deepEqual(await collect(backend.diagnose({})), [], 'findings after refused imports')
    },
  },
  {
    name: 'import: of two who import the same material at once one succeeds',
    requires: canImport,
    run: async (harness) => {
      const backends = [await harness.open(ENVIRONMENT), await harness.open(ENVIRONMENT)]
      const [backend] = backends
      const algorithm = backend && importable(backend).find((one) => one.alg === anyAlgorithm(backend).alg)
      if (!algorithm) return
      const key = await generateMaterial(algorithm)
      const outcomes = await Promise.allSettled(
        backends.map((one, index) => one.addVersion(importOf(algorithm, key, `racer-${index}`))),
      )
      assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof MaterialReusedError)
      }
    },
  },
  {
    name: 'import: a refused import gives its material free again',
    requires: canImport,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = importable(backend)[0]
      assert.ok(algorithm)
      const key = await generateMaterial(algorithm)
      await backend.addVersion(draftOf(algorithm, { name: 'taken' }))
      const taken = importOf(algorithm, key, 'taken')
      await refuses(() => backend.addVersion(taken), VersionConflictError, 'a number that is taken')
      await useOf(backend, await backend.addVersion(importOf(algorithm, key, 'free')))
    },
  },
  {
    name: 'import: a public key of one environment is refused in another that can see it',
    requires: canImport,
    run: async (harness) => {
      if (!harness.sharesEnvironments) return
      const production = await harness.open(ENVIRONMENT)
      const staging = await harness.open(OTHER_ENVIRONMENT)
      const algorithm = importable(production).find(isAsymmetric)
      if (!algorithm) return
      const key = await generateMaterial(algorithm)
      await production.addVersion(importOf(algorithm, key, 'here'))
      const source = { kind: 'import', key } as const
      const draft = draftOf(algorithm, { environment: OTHER_ENVIRONMENT, name: 'there', source })
      await refuses(() => staging.addVersion(draft), MaterialReusedError, 'a key of another environment')
      assert.equal(await staging.readKey(keyRefOf(draft.ref)), undefined)
    },
  },
  {
    name: 'import: a backend that cannot import or adopt says so',
    requires: (capabilities) => !capabilities.import || !capabilities.adopt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const sources = [
        ...(backend.capabilities.import
          ? []
          : [{ kind: 'import', key: createSecretKey(randomBytes(32)) } as const]),
        ...(backend.capabilities.adopt ? [] : [{ kind: 'adopt', locator: 'something' } as const]),
      ]
      for (const source of sources) {
        const draft = draftOf(algorithm, { source })
        const error = await refusesSomehow(() => backend.addVersion(draft), source.kind)
        assert.equal(error.code, 'unsupported-algorithm')
        assert.equal(await backend.readKey(keyRefOf(draft.ref)), undefined)
      }
    },
  },
  {
    name: 'import: an adopted resource becomes a version, once',
    requires: (capabilities) => capabilities.adopt,
    run: async (harness) => {
      assert.ok(harness.createForeign, 'the harness lacks createForeign')
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const locator = await harness.createForeign(algorithm)
      const source = { kind: 'adopt', locator } as const
      const draft = draftOf(algorithm, { source })
      const version = await backend.addVersion(draft)
      assertKept(backend, version, draft)
      assert.deepEqual(plain(await readVersion(backend, version)), plain(version))
      await useOf(backend, version)
      const other = await harness.open(ENVIRONMENT)
      const again = draftOf(algorithm, { name: 'again', source })
      await refuses(
        () => other.addVersion(again),
        MaterialReusedError,
        'a resource that is a version already',
      )
      assert.equal(await backend.readKey(keyRefOf(again.ref)), undefined)
      await useOf(backend, await readVersion(backend, version))
      const nowhere = draftOf(algorithm, {
        name: 'nowhere',
        source: { kind: 'adopt', locator: `${locator}0` },
      })
      const error = await refuses(
        () => backend.addVersion(nowhere),
        BackendError,
        'a resource that is not there',
      )
      assert.equal(error.code, 'not-found')
    },
  },
  {
    name: 'import: a resource of another algorithm is not adopted',
    requires: (capabilities) =>
      capabilities.adopt && capabilities.sign.length + capabilities.encrypt.length > 1,
    run: async (harness) => {
      assert.ok(harness.createForeign, 'the harness lacks createForeign')
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const { sign, encrypt } = backend.capabilities
      for (const other of [...sign, ...encrypt].filter((one) => one.alg !== algorithm.alg).slice(0, 3)) {
        const source = { kind: 'adopt', locator: await harness.createForeign(other) } as const
        const draft = draftOf(algorithm, { source })
        await refuses(() => backend.addVersion(draft), WeakKeyError, `${other.alg} as ${algorithm.alg}`)
        assert.equal(await backend.readKey(keyRefOf(draft.ref)), undefined)
      }
    },
  },
  {
    name: 'export: private material comes out only where the backend says so, and is the version’s own',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const offered = backend.dangerouslyExportMaterial !== undefined
      assert.equal(offered, backend.capabilities.export, 'the method and the capability disagree')
      if (!backend.dangerouslyExportMaterial) return
      for (const [index, algorithm] of importable(backend).entries()) {
        if (algorithm.modulusBits) continue
        const version = await backend.addVersion(draftOf(algorithm, { name: `export-${index}` }))
        const key = await backend.dangerouslyExportMaterial(version)
        assert.equal(key.type, isAsymmetric(algorithm) ? 'private' : 'secret')
        assert.deepEqual(plain({ key: publicJwkOf(key) }), plain({ key: version.publicJwk }))
        if (algorithm.alg !== 'HS256') continue
        const signature = await (await backend.signing(version)).sign(someBytes())
        assert.deepEqual(Buffer.from(signature), createHmac('sha256', key).update(someBytes()).digest())
      }
    },
  },
]

/** The same material where it would be another key: under the other purpose, or padded (HMAC ignores trailing zeros). */
function sameMaterialElsewhere(
  backend: Backend,
  algorithm: KeyAlgorithm,
  key: KeyObject,
): readonly ReturnType<typeof draftOf>[] {
  const otherAlg = { HS256: 'A256KW', A256KW: 'HS256', RS256: 'RSA-OAEP-256', ES256: 'ECDH-ES+A256KW' }
  const other = findAlgorithm(backend, (otherAlg as Record<string, string>)[algorithm.alg] ?? '')
  const padded = algorithm.alg === 'HS256' && createSecretKey(Buffer.concat([key.export(), Buffer.alloc(3)]))
  return [
    ...(other ? [importOf(other, key, 'other-purpose')] : []),
    ...(padded ? [importOf(algorithm, padded, 'padded')] : []),
  ]
}
