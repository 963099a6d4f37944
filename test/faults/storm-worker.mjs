// Rotates one key again and again: `storm-worker.mjs <folder> <rotations> [process id to pretend] [mistake of the store]`.
// Each version is written out when its rotation has returned.
import fs from 'node:fs'
import { composeBackend } from '../../dist/src/backend/compose.js'
import { openEnvironment } from '../../dist/src/backend/local/environment.js'
import { createSeenFile, openLocalBackend } from '../../dist/src/backend/local/index.js'
import { SecretFiles } from '../../dist/src/backend/local/secret-files.js'
import { SignedLog } from '../../dist/src/backend/log/signed-log.js'
import { rotateKey } from '../../dist/src/rotation/apply.js'
import { brokenOpener } from './broken-stores.mjs'
import { opener, placesIn } from './operations.mjs'

const [folder, rotations, pid, mistake] = process.argv.slice(2)
if (pid) Object.defineProperty(process, 'pid', { value: Number(pid) })
const open = mistake
  ? brokenOpener({ composeBackend, createSeenFile, openEnvironment, SecretFiles, SignedLog }, mistake)
  : opener({ openLocalBackend, createSeenFile })
const ref = { environment: 'production', purpose: 'sign', name: 'tokens' }

const backend = await open(placesIn(folder))
for (let round = 0; round < Number(rotations); round++) {
  const { added } = await rotateKey(backend, ref, {
    actor: `process ${process.pid}`,
    now: () => Math.floor(Date.now() / 1000),
    force: true,
    // Among 64 that never rest, bad luck lasts longer than among people.
    maxAttempts: 10_000,
  })
  fs.writeSync(1, `${added.ref.number} ${added.kid}\n`)
}
await backend.close()
