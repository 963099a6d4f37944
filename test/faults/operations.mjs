// What can be done to a local key store that changes it. The functions of the package are handed in, so that the tests (over
// the sources) and the processes that they start (over the built package) do the same.
import { createECDH, createHash, createPrivateKey } from 'node:crypto'
import { protections } from './protections.mjs'
import { rewraps, told } from './rewraps.mjs'

const REF = { environment: 'production', purpose: 'sign', name: 'tokens' }
const HOUR = 3_600
const DAY = 24 * HOUR

const now = () => Math.floor(Date.now() / 1000)
const by = { actor: 'test', reason: 'a fault is injected' }

/** What an operation works on, all of it in one folder. */
export function placesIn(folder) {
  return {
    folder,
    store: `${folder}/stores/main`,
    masterKeyFile: `${folder}/keys/production/master-key.json`,
    nextMasterKeyFile: `${folder}/keys/production/master-key-2.json`,
    seenFile: `${folder}/state/seen`,
  }
}

/** Opens the backend as a new process does that remembers what its host has seen. */
export function opener({ openLocalBackend, createSeenFile }) {
  return async (places) => {
    const { store, masterKeyFile, nextMasterKeyFile, seenFile } = places
    // That its memory cannot be written is reported, and fails nothing.
    const seen = createSeenFile(seenFile, () => undefined)
    const config = { kind: 'local', store, seen }
    try {
      return await openLocalBackend({ ...config, masterKeyFile }, REF.environment)
    } catch (error) {
      if (!/replaced by a rekey/.test(error.message)) throw error
      return openLocalBackend({ ...config, masterKeyFile: nextMasterKeyFile }, REF.environment)
    }
  }
}

export function createOperations(api) {
  const { compromiseVersion, createKey, createLocalEnvironment, createPolicy, postponeVersion } = api
  const { rotateDue, rotateKey } = api

  const createEnvironment = ({ store, masterKeyFile }) =>
    createLocalEnvironment({
      store,
      environment: REF.environment,
      protection: { kind: 'key-file', path: masterKeyFile },
      now: now() - 10 * DAY,
      attribution: by,
    })

  const draft = (number, createdAt, activatesAt, activation, source = { kind: 'generate' }) => ({
    ref: { ...REF, number },
    algorithm: { alg: 'ES256' },
    content: 'jwt',
    createdAt,
    activatesAt,
    activation,
    policy: createPolicy('sign'),
    source,
    ...by,
  })

  const withKeys = async (places, open, versions) => {
    await createEnvironment(places)
    const backend = await open(places)
    const old = now() - 3 * DAY
    await createKey(backend, { ...REF, purpose: 'encrypt', name: 'data' }, { ...by, now: () => old })
    const first = draft(1, old, old, 'first')
    const second = draft(2, now() - 2 * HOUR, now() + 22 * HOUR, 'scheduled')
    for (const one of [first, second].slice(0, versions)) await backend.addVersion(one)
    return backend
  }

  const prepared =
    (versions, ...events) =>
    async (places, open) => {
      const backend = await withKeys(places, open, versions)
      for (const type of events) await backend.recordEvent({ ...REF, number: 1 }, { type, at: now(), ...by })
      await backend.close()
    }

  const using = (use) => async (places, open) => {
    const backend = await open(places)
    try {
      await use(backend, places)
    } finally {
      await backend.close()
    }
  }

  const rotation = (name, versions, options, isDone) => ({
    name,
    ref: REF,
    prepare: prepared(versions),
    run: using((backend) => rotateKey(backend, REF, { ...by, now, ...options })),
    isDone,
  })

  const recording = (type, ...before) => ({
    name: type,
    ref: REF,
    prepare: prepared(1, ...before),
    run: using((backend) => backend.recordEvent({ ...REF, number: 1 }, { type, at: now(), ...by })),
    isDone: (key, old) => hasEvents(key, 1, [...eventsOf(old, 1), type]),
  })

  const compromise = (name, versions, isDone) => ({
    name,
    ref: REF,
    prepare: prepared(versions),
    run: using(async (backend) => {
      const { succession } = await compromiseVersion(backend, { ...REF, number: 1 }, { ...by, now })
      if (succession.kind === 'failed') throw succession.error
    }),
    isDone: (key, old) => hasEvents(key, 1, ['compromised']) && isDone(key, old),
    // The mark comes first, and is durable by itself.
    isHalfway: (key, old) => hasEvents(key, 1, ['compromised']) && count(key) === count(old),
  })

  const creation = (name, ref) => ({
    name,
    ref,
    prepare: prepared(0),
    run: using(async (backend) => {
      // Whoever repeats it after a crash may find that it was done.
      if (!(await backend.readKey(ref))) await createKey(backend, ref, { ...by, now })
    }),
    isDone: (key) => count(key) === 1,
  })

  return [
    {
      name: 'create an environment',
      ref: REF,
      prepare: async () => undefined,
      run: async (places, open) => {
        try {
          await createEnvironment(places)
        } catch (error) {
          if (error.code !== 'configuration' || !/exists already/.test(error.message)) throw error
          await using(() => undefined)(places, open)
        }
      },
      isDone: (_, __, opened) => opened,
    },
    creation('create a key', REF),
    creation('create an encryption key', { ...REF, purpose: 'encrypt', name: 'letters' }),
    {
      name: 'import',
      ref: REF,
      prepare: prepared(0),
      run: using(async (backend) => {
        if (await backend.readKey(REF)) return
        const source = { kind: 'import', key: foreignKey() }
        await createKey(backend, REF, { ...by, now, source })
      }),
      isDone: (key) => count(key) === 1 && key.versions[0].origin === 'imported',
      // Its claim is what keeps material from serving twice. That it is looked for in every record as well finds claims that
      // were deleted, and a record that cannot be read is no reason to refuse all imports.
      takesOnce: (name, path) =>
        /^stores\/main\/production\/encrypt\/data\/./.test(path) ||
        (name === 'lstat' &&
          /^stores\/main(\/production(\/encrypt(\/data)?|\/sign(\/tokens(\/log)?)?)?)?$/.test(path)),
    },
    rotation('rotate', 1, {}, (key, old) => count(key) === count(old) + 1),
    rotation('rotate --force', 2, { force: true }, (key, old, _, runs) => {
      return count(key) > count(old) && count(key) <= count(old) + runs
    }),
    rotation('rotate --emergency', 2, { emergency: true }, (key) => hasEvents(key, 2, ['advanced'])),
    {
      name: 'rotate --due --destroy-expired',
      ref: REF,
      prepare: async (places, open) => {
        const backend = await withKeys(places, open, 0)
        const [first, second] = [now() - 400 * DAY, now() - 200 * DAY]
        await backend.addVersion(draft(1, first, first, 'first'))
        await backend.addVersion(draft(2, second - DAY, second, 'scheduled'))
        await backend.close()
      },
      run: using(async (backend) => {
        const { keys, findings } = await rotateDue(backend, { ...by, now, destroyExpired: true })
        const { error } = keys.find(({ status }) => status === 'failed') ?? {}
        if (error) throw error
        const finding = findings.find(({ severity }) => severity === 'error')
        if (finding) throw told(finding.message)
      }),
      isDone: (key, old) => count(key) === count(old) + 1 && hasEvents(key, 1, ['destroyed']),
      // Each of its steps is durable by itself.
      isHalfway: (key, old) => count(key) === count(old) + 1 || hasEvents(key, 1, ['destroyed']),
    },
    recording('suspended'),
    recording('resumed', 'suspended'),
    {
      name: 'postponed',
      ref: REF,
      prepare: prepared(2),
      run: using(async (backend) => {
        const announced = await backend.readKey(REF)
        const activatesAt = announced.versions[1].createdAt + 30 * DAY
        await postponeVersion(backend, { ...REF, number: 2 }, { ...by, now, activatesAt })
      }),
      isDone: (key) => hasEvents(key, 2, ['postponed']),
    },
    recording('compromised'),
    compromise('compromise, with a new successor', 1, (key, old) => count(key) === count(old) + 1),
    compromise('compromise, with the announced successor', 2, (key) => hasEvents(key, 2, ['advanced'])),
    recording('destroyed', 'compromised'),
    ...rewraps({ ...api, withKeys, by, now }),
    ...protections({ ...api, prepared, withKeys, by, now, ref: REF }),
  ]
}

/** Made elsewhere, and the same in every process. */
function foreignKey() {
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(createHash('sha256').update('a key from elsewhere').digest())
  const point = pair.getPublicKey()
  const [d, x, y] = [pair.getPrivateKey(), point.subarray(1, 33), point.subarray(33)].map((bytes) =>
    bytes.toString('base64url'),
  )
  return createPrivateKey({ key: { kty: 'EC', crv: 'P-256', d, x, y }, format: 'jwk' })
}

function count(key) {
  return key?.versions.length ?? 0
}

function eventsOf(key, number) {
  return (key?.versions[number - 1]?.events ?? []).map(({ type }) => type)
}

function hasEvents(key, number, expected) {
  return JSON.stringify(eventsOf(key, number)) === JSON.stringify(expected)
}
