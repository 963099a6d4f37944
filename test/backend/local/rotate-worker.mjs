// Rotates one key from a process of its own: `rotate-worker.mjs <store> <master key file> <rounds> [expected version]`.
import { openLocalBackend } from '../../../dist/src/backend/local/index.js'
import { rotateKey } from '../../../dist/src/rotation/apply.js'

const [store, masterKeyFile, rounds, expectVersion] = process.argv.slice(2)
const backend = await openLocalBackend({ kind: 'local', store, masterKeyFile }, 'production')
const ref = { environment: 'production', purpose: 'sign', name: 'tokens' }
const added = []
try {
  for (let round = 0; round < Number(rounds); round++) {
    const outcome = await rotateKey(backend, ref, {
      actor: `process ${process.pid}`,
      now: () => Math.floor(Date.now() / 1000),
      force: true,
      ...(expectVersion ? { expectVersion: Number(expectVersion) } : {}),
    })
    added.push(outcome.added.ref.number)
  }
  process.stdout.write(JSON.stringify({ added }))
} catch (error) {
  process.stdout.write(JSON.stringify({ added, code: error.code, message: error.message }))
}
await backend.close()
