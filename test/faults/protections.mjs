// How a master key is protected, and replacing it.
import crypto from 'node:crypto'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const FIRST = 'the first passphrase'
const SECOND = 'another passphrase'

const { scrypt } = crypto
let cheapUsers = 0

export function protections({ local, withKeys, prepared, by, now, ref }) {
  const { environment } = ref
  const request = (protection) => ({ protection, now: now(), attribution: by })
  const byPassphrase = (passphrase) => request({ kind: 'passphrase', passphrase })
  const byFile = (path) => request({ kind: 'key-file', path })

  const rootOf = async ({ store, masterKeyFile }) =>
    (await local.showLocalEnvironment({ store, masterKeyFile }, environment)).rootThumbprint

  /** With a passphrase; the root comes from the key file, which a configuration would have as a pin. */
  const opened = async (places, passphrase) => ({
    store: places.store,
    passphrase: () => passphrase,
    rootThumbprint: await rootOf(places),
  })

  const opens = async (options) => {
    try {
      await (await local.openLocalBackend({ kind: 'local', ...options }, environment)).close()
      return true
    } catch (error) {
      if (error.code === 'denied' || error.code === 'configuration') return false
      throw error
    }
  }

  const opensBy = async (places, passphrase) => opens(await opened(places, passphrase))

  const protection = (name, { prepare, run, isOpen, isClosed }) => ({
    name,
    ref,
    prepare: (places, open) =>
      withCheapScrypt(async () => {
        await prepared(1)(places, open)
        await prepare?.(places)
      }),
    run: (places) => withCheapScrypt(() => run(places)),
    isDone: () => true,
    checkFiles: (places, { required }) =>
      withCheapScrypt(async () => {
        // A key file that somebody has goes on to open.
        const [former, present] = [await isClosed?.(places), await isOpen(places)]
        if (required) return present && !former ? [] : [`lost: ${former ? 'the former' : 'none'} opens it`]
        return former === false && !present ? ['neither protection opens it'] : []
      }),
  })

  const protect = (options, asked) => local.protectLocalEnvironment(options, environment, asked)
  const byFirst = ({ store, masterKeyFile }) => protect({ store, masterKeyFile }, byPassphrase(FIRST))

  /** Whoever repeats it after a crash may find that it was done. */
  const unlessDone = async (change, isDoneAlready, finish) => {
    try {
      await change()
    } catch (error) {
      if (!isDoneAlready(error)) throw error
      await finish()
    }
  }

  const rekey = {
    name: 'rekey',
    ref,
    carriesOver: true,
    prepare: async (places, open) => {
      const backend = await withKeys(places, open, 2)
      for (const type of ['compromised', 'destroyed']) {
        await backend.recordEvent({ ...ref, number: 1 }, { type, at: now(), ...by })
      }
      await backend.close()
    },
    run: ({ store, masterKeyFile, nextMasterKeyFile }) =>
      unlessDone(
        () => local.rekeyLocalEnvironment({ store, masterKeyFile }, environment, byFile(nextMasterKeyFile)),
        ({ message }) => /replaced by a rekey/.test(message),
        () => local.finishLocalRekey({ store, masterKeyFile: nextMasterKeyFile }, environment),
      ),
    isDone: (key) => (key?.versions ?? []).some(({ material }) => material.former !== undefined),
  }

  return [
    protection('protect by a passphrase', {
      run: byFirst,
      isOpen: (places) => opensBy(places, FIRST),
    }),
    protection('protect by another passphrase', {
      prepare: byFirst,
      run: (places) =>
        unlessDone(
          async () => protect(await opened(places, FIRST), byPassphrase(SECOND)),
          ({ message }) => /the passphrase is wrong/.test(message),
          async () =>
            (
              await local.openLocalBackend({ kind: 'local', ...(await opened(places, SECOND)) }, environment)
            ).close(),
        ),
      isClosed: (places) => opensBy(places, FIRST),
      isOpen: (places) => opensBy(places, SECOND),
    }),
    protection('protect by a key file', {
      prepare: byFirst,
      run: (places) => {
        const { store, nextMasterKeyFile: path } = places
        return unlessDone(
          async () => protect(await opened(places, FIRST), byFile(path)),
          ({ code }) => code === 'configuration',
          () => protect({ store, masterKeyFile: path }, byFile(path)),
        )
      },
      isClosed: (places) => opensBy(places, FIRST),
      isOpen: async ({ store, nextMasterKeyFile }) =>
        fs.existsSync(nextMasterKeyFile) && opens({ store, masterKeyFile: nextMasterKeyFile }),
    }),
    rekey,
  ]
}

/** A third of a second and 128 MiB for each guess are right for passphrases, and beside the point here. */
async function withCheapScrypt(use) {
  // Cases overlap: the first one in puts it in place, and the last one out takes it away.
  if (cheapUsers++ === 0) {
    crypto.scrypt = (passphrase, salt, length, _, done) => scrypt(passphrase, salt, length, { N: 2 }, done)
    syncBuiltinESMExports()
  }
  try {
    return await use()
  } finally {
    if (--cheapUsers === 0) {
      crypto.scrypt = scrypt
      syncBuiltinESMExports()
    }
  }
}
