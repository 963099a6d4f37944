// Signs and verifies JWTs one at a time, with Keyturn and its peers, against node:crypto alone. Run: npm run bench
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateMaterial, type KeyAlgorithm, openKeyring } from 'keyturn'
import { createLocalEnvironment, openLocalBackend } from 'keyturn/local'
import { contestOf } from './contenders.ts'
import { compare, type Measured } from './measure.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = [
  { alg: 'ES256' },
  { alg: 'EdDSA' },
  { alg: 'RS256', modulusBits: 2048 },
  { alg: 'HS256' },
]
const ENVIRONMENT = 'bench'
const ROUNDS = 41

function row(what: string, { name, perSecond, ratio }: Measured): string {
  const rate = Math.round(perSecond).toLocaleString('en-US')
  return `${what.padEnd(16)}${name.padEnd(14)}${rate.padStart(10)}${ratio.toFixed(2).padStart(8)}`
}

const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'))
try {
  const store = join(folder, 'store')
  const masterKeyFile = join(folder, 'master.key')
  await createLocalEnvironment({
    store,
    environment: ENVIRONMENT,
    protection: { kind: 'key-file', path: masterKeyFile },
    attribution: { actor: 'bench' },
    now: Math.floor(Date.now() / 1000),
  })
  const backend = await openLocalBackend({ kind: 'local', store, masterKeyFile }, ENVIRONMENT)
  const keyring = await openKeyring({ environment: ENVIRONMENT, backend })
  console.log(
    `Node.js ${process.version}, ${ROUNDS} rounds; ratio 1.00 is node:crypto signing or verifying the bytes alone`,
  )
  console.log(`${'work'.padEnd(16)}${'library'.padEnd(14)}${'per second'.padStart(10)}${'ratio'.padStart(8)}`)
  for (const algorithm of ALGORITHMS) {
    const contest = await contestOf(backend, keyring, {
      algorithm,
      privateKey: await generateMaterial(algorithm),
    })
    for (const work of ['sign', 'verify'] as const) {
      for (const measured of await compare(contest[work], ROUNDS)) {
        console.log(row(`${algorithm.alg} ${work}`, measured))
      }
    }
  }
  await keyring.close()
  await backend.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
