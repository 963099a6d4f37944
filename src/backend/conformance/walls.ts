import assert from 'node:assert/strict'
import { EnvironmentMismatchError, PurposeMismatchError } from '../../errors.ts'
import type { KeyAlgorithm } from '../../key/algorithm.ts'
import { keyRefOf, type Purpose } from '../../key/ref.ts'
import type { Backend } from '../backend.ts'
import { collect, plain, refuses, refusesSomehow } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  canEncrypt,
  canSign,
  draftOf,
  ENVIRONMENT,
  hasBothPurposes,
  OTHER_ENVIRONMENT,
  readVersion,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { useOf } from './use.ts'

/** An RSA pair fits both purposes, so only the wall keeps them apart; else whatever is quickest. */
function mostAlike(backend: Backend, purpose: Purpose): KeyAlgorithm {
  return backend.capabilities[purpose].find((one) => one.modulusBits) ?? algorithmFor(backend, purpose)
}

export const wallCases: readonly ConformanceCase[] = [
  {
    name: 'walls: a signing version has no encryption handle',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(algorithmFor(backend, 'sign')))
      await refuses(() => backend.encryption(version), PurposeMismatchError, 'encrypting with a signing key')
      const handle: object = await backend.signing(version)
      for (const method of ['createContentKey', 'unwrap', 'encrypt', 'decrypt']) {
        assert.ok(!(method in handle), `a signing handle has ${method}`)
      }
    },
  },
  {
    name: 'walls: an encryption version has no signing handle',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(algorithmFor(backend, 'encrypt')))
      await refuses(() => backend.signing(version), PurposeMismatchError, 'signing with an encryption key')
      const handle: object = await backend.encryption(version)
      for (const method of ['sign', 'verify'])
        assert.ok(!(method in handle), `an encryption handle has ${method}`)
    },
  },
  {
    name: 'walls: a record that was relabelled by hand does not move material across the purposes',
    requires: hasBothPurposes,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const signing = await backend.addVersion(draftOf(mostAlike(backend, 'sign')))
      const encryption = await backend.addVersion(draftOf(mostAlike(backend, 'encrypt')))
      const asSigning = { ...signing, ref: { ...signing.ref }, material: encryption.material }
      const asEncryption = { ...encryption, ref: { ...encryption.ref }, material: signing.material }
      const relabelled = { ...encryption, ref: { ...encryption.ref, purpose: 'sign' as const } }
      const relabelledBack = { ...signing, ref: { ...signing.ref, purpose: 'encrypt' as const } }
      await refusesSomehow(
        () => useOf(backend, asSigning),
        'a signing record with the material of an encryption key',
      )
      await refusesSomehow(
        () => useOf(backend, asEncryption),
        'an encryption record with the material of a signing key',
      )
      await refusesSomehow(() => useOf(backend, relabelled), 'an encryption record with the purpose sign')
      await refusesSomehow(() => useOf(backend, relabelledBack), 'a signing record with the purpose encrypt')
    },
  },
  {
    name: 'walls: everything of another environment is refused',
    run: async (harness) => {
      const production = await harness.open(ENVIRONMENT)
      const staging = await harness.open(OTHER_ENVIRONMENT)
      assert.equal(production.environment, ENVIRONMENT)
      assert.equal(staging.environment, OTHER_ENVIRONMENT)
      const version = await production.addVersion(draftOf(anyAlgorithm(production)))
      const event = { type: 'suspended', at: version.createdAt } as const
      const use =
        version.ref.purpose === 'sign' ? staging.signing.bind(staging) : staging.encryption.bind(staging)
      const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
        ['reading', () => staging.readKey(keyRefOf(version.ref))],
        ['creating', () => staging.addVersion(draftOf(version.algorithm, { number: 2 }))],
        ['recording', () => staging.recordEvent(version.ref, event)],
        ['using', () => use(version)],
      ]
      for (const [what, call] of calls) await refuses(call, EnvironmentMismatchError, what)
      const { dangerouslyExportMaterial } = staging
      if (dangerouslyExportMaterial) {
        await refuses(() => dangerouslyExportMaterial(version), EnvironmentMismatchError, 'exporting')
      }
      assert.deepEqual(plain(await readVersion(production, version)), plain(version))
    },
  },
  {
    name: 'walls: environments do not see the keys of one another',
    run: async (harness) => {
      const production = await harness.open(ENVIRONMENT)
      const staging = await harness.open(OTHER_ENVIRONMENT)
      const algorithm = anyAlgorithm(production)
      const { ref } = await production.addVersion(draftOf(algorithm))
      assert.equal(await staging.readKey({ ...keyRefOf(ref), environment: OTHER_ENVIRONMENT }), undefined)
      assert.deepEqual(await collect(staging.listKeys({})), [])
      const theirs = await staging.addVersion(draftOf(algorithm, { environment: OTHER_ENVIRONMENT }))
      assert.deepEqual(plain(await readVersion(staging, theirs)), plain(theirs))
      assert.equal((await collect(production.listKeys({}))).length, 1)
    },
  },
  {
    name: 'walls: a record that was relabelled by hand does not move material across environments',
    // In a cloud the access policy says who may use which key; here only the backend stands between.
    requires: (capabilities) => capabilities.integrity === 'signed',
    run: async (harness) => {
      const production = await harness.open(ENVIRONMENT)
      const staging = await harness.open(OTHER_ENVIRONMENT)
      const version = await production.addVersion(draftOf(anyAlgorithm(production)))
      const relabelled = { ...version, ref: { ...version.ref, environment: OTHER_ENVIRONMENT } }
      await refusesSomehow(() => useOf(staging, relabelled), 'material of another environment')
    },
  },
]
