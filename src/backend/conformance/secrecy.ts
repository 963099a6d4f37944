import assert from 'node:assert/strict'
import { KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { factsOf, type KeyAlgorithm } from '../../key/algorithm.ts'
import { encodeBase64url } from '../../key/base64url.ts'
import type { VersionRecord } from '../../key/record.ts'
import { exportPrivateJwk, generateMaterial } from '../../material/generate.ts'
import type { Backend } from '../backend.ts'
import { collect, failureOf } from './expect.ts'
import { canSign, draftOf, ENVIRONMENT, now, oneOfEachFamily } from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { someBytes } from './use.ts'

/** The private numbers of material. Any of them, found anywhere, is a leak. */
function secretsOf(key: KeyObject): readonly Buffer[] {
  const jwk = exportPrivateJwk(key)
  return ['d', 'k', 'p', 'q', 'priv'].flatMap((member) => {
    const value = jwk[member]
    return value === undefined ? [] : [Buffer.from(value, 'base64url')]
  })
}

/** How a secret may be spelled in a text, without white space. A part of it is enough. */
function spellings(secret: Buffer): readonly string[] {
  const part = secret.subarray(0, 18)
  const shifted = [0, 1, 2].map((by) => secret.subarray(by, by + 18))
  return [
    part.toString('hex'),
    part.toString('hex').toUpperCase(),
    ...shifted.map((bytes) => bytes.toString('base64')),
    ...shifted.map((bytes) => encodeBase64url(bytes)),
    [...part].join(','),
    [...part].map((byte, index) => `"${index}":${byte}`).join(','),
    part.toString('latin1'),
  ]
}

function assertNoSecret(text: string, secrets: readonly Buffer[], what: string): void {
  const dense = text.replace(/\s+/g, '')
  for (const secret of secrets) {
    for (const spelling of spellings(secret)) {
      // Not assert.ok(…includes…) with the text: a failure must not print the secret.
      assert.ok(!dense.includes(spelling) && !text.includes(spelling), `${what} shows key material`)
    }
  }
}

/** Everything that printing, logging or serialising a value can show. */
function printed(value: unknown): string {
  const texts = [
    inspect(value, {
      depth: 20,
      showHidden: true,
      getters: true,
      maxArrayLength: null,
      maxStringLength: null,
    }),
    inspect(value, { depth: 20, customInspect: false, showHidden: true, maxArrayLength: null }),
    `${String(value)}`,
    JSON.stringify(value) ?? '',
  ]
  for (let error = value; error instanceof Error; error = error.cause)
    texts.push(error.message, error.stack ?? '')
  return texts.join('\n')
}

/** Walks all properties, enumerable or not, of a value and its prototypes: none may lead to key material. */
function assertOpaque(root: unknown, secrets: readonly Buffer[], what: string): void {
  const seen = new Set<unknown>()
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string') assertNoSecret(value, secrets, path)
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value))
      return
    seen.add(value)
    if (value instanceof KeyObject) assert.equal(value.type, 'public', `${path} is key material`)
    if (ArrayBuffer.isView(value)) {
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      assert.ok(!secrets.some((secret) => bytes.includes(secret)), `${path} is key material`)
      return
    }
    if (value instanceof Map || value instanceof Set) visit([...value.entries()], `${path}.entries()`)
    for (const property of Reflect.ownKeys(value)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(value, property)
      if (!descriptor || (typeof value === 'function' && property !== 'prototype' && 'value' in descriptor))
        continue
      const reach = (): unknown => (descriptor.get ? descriptor.get.call(root) : descriptor.value)
      visit(reachable(reach), `${path}.${String(property)}`)
    }
    const prototype: unknown = Reflect.getPrototypeOf(value)
    if (prototype !== null && !isBuiltIn(prototype)) visit(prototype, `${path}.[[Prototype]]`)
  }
  visit(root, what)
}

function reachable(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    return undefined
  }
}

function isBuiltIn(prototype: unknown): boolean {
  return [Object, Function, Array, Error, Map, Set, Promise].some((one) => one.prototype === prototype)
}

/** Algorithms whose material this process can make, one of each kind. */
function kinds(backend: Backend): readonly KeyAlgorithm[] {
  const { sign, encrypt } = backend.capabilities
  return oneOfEachFamily([...sign, ...encrypt]).filter((one) => factsOf(one).family !== 'kms')
}

async function handleOf(backend: Backend, version: VersionRecord): Promise<object> {
  if (version.ref.purpose === 'encrypt') {
    const handle = await backend.encryption(version)
    await handle.createContentKey()
    return handle
  }
  const handle = await backend.signing(version)
  await handle.sign(someBytes())
  return handle
}

export const secrecyCases: readonly ConformanceCase[] = [
  {
    name: 'secrecy: no record, handle or backend shows the material that was imported',
    requires: (capabilities) => capabilities.import,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of kinds(backend).entries()) {
        const key = await generateMaterial(algorithm)
        const secrets = secretsOf(key)
        const source = { kind: 'import', key } as const
        const version = await backend.addVersion(draftOf(algorithm, { name: `secret-${index}`, source }))
        const shown: readonly (readonly [string, unknown])[] = [
          ['the record', version],
          ['the handle', await handleOf(backend, version)],
          ['the key', await backend.readKey(version.ref)],
          ['the listing', await collect(backend.listKeys({}))],
          ['the backend', backend],
        ]
        for (const [what, value] of shown) {
          assertNoSecret(printed(value), secrets, `${what} of ${algorithm.alg}`)
          assertOpaque(value, secrets, `${what} of ${algorithm.alg}`)
        }
      }
    },
  },
  {
    name: 'secrecy: no error shows the material that was imported',
    requires: (capabilities) => capabilities.import,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of kinds(backend).entries()) {
        const key = await generateMaterial(algorithm)
        const secrets = secretsOf(key)
        const name = `secret-${index}`
        const source = { kind: 'import', key } as const
        const createdAt = now()
        const draft = draftOf(algorithm, { name, source, createdAt })
        const { ref } = await backend.addVersion(draft)
        const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
          ['a number that is taken', () => backend.addVersion(draft)],
          ['a gap', () => backend.addVersion(draftOf(algorithm, { name, source, createdAt, number: 9 }))],
          [
            'reused material',
            () => backend.addVersion(draftOf(algorithm, { name, source, createdAt, number: 2 })),
          ],
          ['a malformed name', () => backend.addVersion(draftOf(algorithm, { name: 'A', source }))],
          [
            'material for another algorithm',
            () => backend.addVersion(misfit(backend, algorithm, draft.source)),
          ],
          [
            'a deadline',
            () => backend.addVersion(draftOf(algorithm, { name: 'x', source }), { deadline: 1 }),
          ],
          ['an event', () => backend.recordEvent(ref, { type: 'resumed', at: createdAt })],
        ]
        for (const [what, call] of calls) {
          assertNoSecret(printed(await failureOf(call, what)), secrets, `the error of ${what}`)
        }
        if (ref.purpose === 'sign') continue
        const handle = await backend.encryption(
          await backend.readKey(ref).then((read) => read?.versions[0] ?? assert.fail()),
        )
        const unwrap = async (): Promise<unknown> => handle.unwrap({ encryptedKey: someBytes(40) })
        assertNoSecret(printed(await failureOf(unwrap, 'unwrapping')), secrets, 'the error of unwrapping')
      }
    },
  },
  {
    name: 'secrecy: handles have no property that leads to key material',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { sign, encrypt } = backend.capabilities
      for (const [index, algorithm] of [...sign, ...encrypt].entries()) {
        if (algorithm.modulusBits) continue
        const version = await backend.addVersion(draftOf(algorithm, { name: `opaque-${index}` }))
        const exported = await backend.dangerouslyExportMaterial?.(version)
        const secrets = exported ? secretsOf(exported) : []
        const handle = await handleOf(backend, version)
        assertNoSecret(printed(handle), secrets, `the handle of ${algorithm.alg}`)
        assertOpaque(handle, secrets, `the handle of ${algorithm.alg}`)
      }
    },
  },
]

/** A draft of an algorithm that the material is not for. */
function misfit(
  backend: Backend,
  algorithm: KeyAlgorithm,
  source: ReturnType<typeof draftOf>['source'],
): ReturnType<typeof draftOf> {
  const other = kinds(backend).find((one) => factsOf(one).family !== factsOf(algorithm).family)
  return other ? draftOf(other, { name: 'misfit', source }) : draftOf(algorithm, { name: 'B', source })
}
