// Object stores with one mistake each. The harness is worth something only if it notices every one of them.
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Opens a backend over a store that makes a mistake when it writes. */
export function brokenOpener(
  { composeBackend, createSeenFile, openEnvironment, SecretFiles, SignedLog },
  mistake,
) {
  return async ({ store: path, masterKeyFile, seenFile }) => {
    const seen = createSeenFile(seenFile, () => undefined)
    const opened = await openEnvironment({ store: path, masterKeyFile, seen }, 'production')
    const { store, checkRoot, keys } = opened
    const broken = breakStore(store, mistake)
    const log = new SignedLog({
      store: broken,
      environment: 'production',
      checkRoot,
      seen,
      rootKey: keys.root,
    })
    return composeBackend(log, new SecretFiles(broken, 'production', keys))
  }
}

function breakStore(store, mistake) {
  const put = PUTS[mistake] ?? linked
  const list = (folder) => listed(store.describe(folder))
  return {
    describe: (path) => store.describe(path),
    get: (path) => store.get(path),
    list: UNSETTLED.has(mistake) ? list : (folder) => store.list(folder),
    delete: (path) => store.delete(path),
    putIfAbsent: async (path, bytes) => {
      const file = store.describe(path)
      // The first object of a folder is left to the real store, which makes the folder.
      if (!fs.existsSync(dirname(file))) return store.putIfAbsent(path, bytes)
      return put(file, bytes, path.includes('/secrets/') ? 0o600 : 0o640)
    },
  }
}

/** Whose listings may name what a power cut can still undo. */
const UNSETTLED = new Set(['acknowledges before the name is durable', 'relies on names that are not durable'])

const PUTS = {
  'acknowledges before the name is durable': (file, bytes, mode) =>
    linked(file, bytes, mode, { syncFolder: async () => undefined }),
  'links before the data is durable': (file, bytes, mode) =>
    linked(file, bytes, mode, { sync: async () => undefined }),
  'swallows a failed fsync': (file, bytes, mode) =>
    linked(file, bytes, mode, { sync: (handle) => handle.sync().catch(() => undefined) }),
  'tries a failed fsync again': (file, bytes, mode) =>
    linked(file, bytes, mode, { sync: (handle) => handle.sync().catch(() => handle.sync()) }),
  'never closes what it wrote': (file, bytes, mode) =>
    linked(file, bytes, mode, { close: (handle) => void left.push(handle) }),
  'writes in place': async (file, bytes, mode) => {
    try {
      await write(file, bytes, mode, {})
    } catch (error) {
      if (error.code === 'EEXIST') return false
      throw error
    }
    await syncFolder(dirname(file))
    return true
  },
  'renames over what is there': async (file, bytes, mode) => {
    if (fs.existsSync(file)) return false
    const temporary = temporaryIn(file)
    await write(temporary, bytes, mode, {})
    // Long enough for another process to look as well.
    if (file.includes('/log/')) await sleep(60)
    await fs.promises.rename(temporary, file)
    await syncFolder(dirname(file))
    return true
  },
}

/** Kept, so that they are not closed when they are forgotten. */
const left = []

async function linked(file, bytes, mode, steps = {}) {
  const temporary = temporaryIn(file)
  await write(temporary, bytes, mode, steps)
  try {
    await fs.promises.link(temporary, file)
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    await fs.promises.unlink(temporary)
  }
  await (steps.syncFolder ?? syncFolder)(dirname(file))
  return true
}

async function listed(folder) {
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const { ino, mtimeMs } = fs.lstatSync(join(folder, entry.name))
    return { name: entry.name, isFolder: entry.isDirectory(), tag: `${ino}`, modifiedAt: mtimeMs }
  })
}

async function write(
  file,
  bytes,
  mode,
  { sync = (handle) => handle.sync(), close = (handle) => handle.close() },
) {
  const handle = await fs.promises.open(file, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await sync(handle)
  } finally {
    await close(handle)
  }
}

async function syncFolder(folder) {
  const handle = await fs.promises.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function temporaryIn(file) {
  return join(dirname(file), `.tmp-${randomBytes(12).toString('hex')}`)
}
