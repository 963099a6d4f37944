// Plans what is due over many keys: in memory, which is the cost of planning alone, and from a local store, which is what
// `plan` and `rotate --due` cost before they change anything. Run: npm run bench:planner
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createPolicy,
  type KeyRecord,
  keyOf,
  kidOf,
  type Policy,
  type Purpose,
  planDue,
  type VersionRecord,
  versionRefOf,
} from 'keyturn'
import { openLocalBackend } from 'keyturn/local'
import { BigStore } from './store.ts'

const DAY = 86_400
const NOW = Date.UTC(2026, 5, 1) / 1000
const SIZES = [1_000, 3_000, 10_000] as const
const VERSIONS = [1, 4, 20] as const
const ROUNDS = 15
const STORED_VERSIONS = 2
const STORE_ROUNDS = 3
const ENVIRONMENT = 'bench'

const POLICIES: Readonly<Record<Purpose, Policy>> = {
  sign: createPolicy('sign'),
  encrypt: createPolicy('encrypt'),
}

/** A key of so many versions, the newest between a day and a hundred days old, and all but two of the others destroyed. */
function keyAt(index: number, versions: number): KeyRecord {
  const purpose: Purpose = index % 4 === 0 ? 'encrypt' : 'sign'
  const policy = POLICIES[purpose]
  const newest = NOW - ((index % 100) + 1) * DAY
  const records = Array.from({ length: versions }, (_, position): VersionRecord => {
    const number = position + 1
    const ref = versionRefOf({ environment: ENVIRONMENT, purpose, name: `key-${index}` }, number)
    const activatesAt = newest - (versions - number) * policy.rotationPeriod
    return {
      ref,
      algorithm: { alg: purpose === 'sign' ? 'HS256' : 'A256KW' },
      ...(purpose === 'sign' ? { content: 'jwt' } : {}),
      createdAt: number === 1 ? activatesAt : activatesAt - policy.announcePeriod,
      activatesAt,
      activation: number === 1 ? 'first' : 'scheduled',
      origin: 'generated',
      policy,
      kid: kidOf(ref, undefined),
      material: { id: `${index}-${number}` },
      events:
        number < versions - 2 ? [{ type: 'destroyed', at: activatesAt + 2 * policy.rotationPeriod }] : [],
    }
  })
  return keyOf(records)
}

/** The fastest of several rounds, in milliseconds: whatever else the machine does only adds to it. */
function measure(keys: readonly KeyRecord[]): { readonly milliseconds: number; readonly steps: number } {
  let milliseconds = Number.POSITIVE_INFINITY
  let steps = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    steps = planDue(keys, { now: NOW, destroyExpired: true }).steps.length
    milliseconds = Math.min(milliseconds, performance.now() - start)
  }
  return { milliseconds, steps }
}

console.log(
  `Node.js ${process.version}, fastest of ${ROUNDS} rounds; planDue with destroyExpired, records in memory`,
)
console.log(
  `${'versions/key'.padEnd(14)}${'keys'.padStart(8)}${'steps'.padStart(8)}${'ms'.padStart(9)}${'us/key'.padStart(9)}`,
)
for (const versions of VERSIONS) {
  for (const size of SIZES) {
    const keys = Array.from({ length: size }, (_, index) => keyAt(index, versions))
    measure(keys.slice(0, 1_000))
    const { milliseconds, steps } = measure(keys)
    const perKey = (milliseconds * 1_000) / size
    console.log(
      `${String(versions).padEnd(14)}${String(size).padStart(8)}${String(steps).padStart(8)}${milliseconds.toFixed(1).padStart(9)}${perKey.toFixed(1).padStart(9)}`,
    )
  }
}

/** Opens, lists and plans as a process does that was just started, in milliseconds: the fastest of a few rounds. */
async function measureStore({ store, masterKeyFile }: BigStore, size: number): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY
  for (let round = 0; round < STORE_ROUNDS; round++) {
    const start = performance.now()
    const backend = await openLocalBackend({ kind: 'local', store, masterKeyFile }, ENVIRONMENT)
    const keys: KeyRecord[] = []
    for await (const item of backend.listKeys({})) {
      if ('finding' in item) throw new Error(item.message)
      keys.push(item)
    }
    planDue(keys, { now: NOW, destroyExpired: true })
    await backend.close()
    if (keys.length !== size) throw new Error(`${keys.length} keys were listed, and ${size} written`)
    fastest = Math.min(fastest, performance.now() - start)
  }
  return fastest
}

console.log(
  `\nthe same from a local store: opened, every log read and checked, planned; ${STORED_VERSIONS} versions/key, fastest of ${STORE_ROUNDS}`,
)
console.log(`${'keys'.padEnd(14)}${'ms'.padStart(9)}${'us/key'.padStart(9)}`)
const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'))
try {
  const big = new BigStore(folder, ENVIRONMENT)
  await big.create(NOW)
  let written = 0
  for (const size of SIZES) {
    for (; written < size; written++) big.add(keyAt(written, STORED_VERSIONS))
    const milliseconds = await measureStore(big, size)
    const perKey = (milliseconds * 1_000) / size
    console.log(
      `${String(size).padEnd(14)}${milliseconds.toFixed(0).padStart(9)}${perKey.toFixed(0).padStart(9)}`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
