import { DescribeKeyCommand, KMSClient, paginateListAliases, paginateListKeys } from '@aws-sdk/client-kms'
import { afterEach, describe, expect, it } from 'vitest'
import { parseAlias } from '../../src/backend/aws-kms/alias.ts'
import { openAwsKmsBackend } from '../../src/backend/aws-kms/index.ts'
import type { Backend } from '../../src/backend/backend.ts'
import { KeyturnError } from '../../src/errors.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { type FakeKms, type Fault, startFakeKms } from '../fakes/aws-kms/index.ts'
import { createRandom } from '../support/random.ts'
import { algorithmOf, Flaky, nowInSeconds } from './aws-flaky.ts'

// `npm run flaky:aws` is the whole of it; a test run has a sample.
const FULL = process.env.KEYTURN_FLAKY === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const SIZE = FULL
  ? { operations: 10_000, keys: 200, backends: 32, pauses: 10 }
  : { operations: 60, keys: 4, backends: 16, pauses: 1 }
const DAY_AND_HOUR_MS = 25 * 3_600_000
// Answers that never come cost this long each: only the whole of it has some, since a busy machine answers late too.
const REQUEST_MS = FULL ? 1_000 : 60_000
const FAULTS: readonly Fault[] = [
  'throttle',
  'internal',
  'internal',
  'unavailable',
  'reset',
  'reset',
  'lost',
  'lost',
]
const SILENCES: readonly Fault[] = FULL ? ['hang', 'lost-hang'] : []
// How long a read looks again when what it saw does not agree: somebody may be in the middle of a change.
const SETTLE_MS = 200

const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

interface Scene {
  readonly server: FakeKms
  open(clock?: () => number): Promise<Backend>
}

async function setScene(): Promise<Scene> {
  const server = await startFakeKms({ seed: SEED })
  stops.push(() => server.stop())
  const { endpoint, region, credentials } = server
  return {
    server,
    async open(clock = Date.now) {
      const client = new KMSClient({
        endpoint,
        region,
        credentials,
        maxAttempts: 3,
        requestHandler: { requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
      })
      const backend = await openAwsKmsBackend(
        { kind: 'aws-kms', client, clock, changesPerSecond: 10_000, settleMilliseconds: SETTLE_MS },
        'production',
      )
      stops.push(async () => {
        await backend.close()
        client.destroy()
      })
      return backend
    },
  }
}

/** What doctor --fix does. Resolves to how many orphans there were, and how many of them are left to people. */
async function repairAll(backend: Backend): Promise<{ orphans: number; left: number }> {
  let [orphans, left] = [0, 0]
  for await (const { finding, repair } of backend.diagnose({})) {
    if (finding === 'orphan') orphans++
    if (finding === 'orphan' && !repair) left++
    await repair?.()
  }
  return { orphans, left }
}

/** As above, while the service fails: what cannot be done now is done later. */
async function tryToRepair(backend: Backend): Promise<void> {
  try {
    await repairAll(backend)
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
  }
}

/** The keys behind the version aliases, by alias, and all keys that nobody scheduled for deletion. */
async function inspect({ endpoint, region, credentials }: FakeKms): Promise<{
  readonly versions: ReadonlyMap<string, string>
  readonly living: ReadonlySet<string>
}> {
  const client = new KMSClient({ endpoint, region, credentials })
  stops.push(async () => client.destroy())
  const versions = new Map<string, string>()
  for await (const { Aliases = [] } of paginateListAliases({ client }, {})) {
    for (const { AliasName = '', TargetKeyId = '' } of Aliases) {
      const alias = parseAlias(AliasName)
      if (alias && 'version' in alias) versions.set(AliasName, TargetKeyId)
    }
  }
  const living = new Set<string>()
  for await (const { Keys = [] } of paginateListKeys({ client, pageSize: 1000 }, {})) {
    for (const { KeyId = '' } of Keys) {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }))
      if (KeyMetadata?.KeyState !== 'PendingDeletion') living.add(KeyId)
    }
  }
  return { versions, living }
}

describe('a service that fails three calls in ten', () => {
  it('leaves every operation done or cleanly failed, no number twice, and nothing that doctor --fix does not find', async () => {
    const began = Date.now()
    const { server, open } = await setScene()
    const backends = await Promise.all(Array.from({ length: SIZE.backends }, () => open()))
    // A clock that is a day ahead takes the protection of age away from everything.
    const doctor = await open(() => Date.now() + DAY_AND_HOUR_MS)
    const flaky = new Flaky({
      ...SIZE,
      backends,
      random: createRandom(SEED),
      meanwhile: () => tryToRepair(doctor),
    })
    server.faults.plan({ rate: 0.3, kinds: [...FAULTS, ...SILENCES] })
    await flaky.run()
    server.faults.plan(undefined)
    const calls = server.calls.all.length

    const [steady] = backends
    if (!steady) throw new Error('there is no backend')
    // Whatever was left half-made has the number that comes next: a version takes it.
    for (const [index, ref] of flaky.refs().entries()) {
      const options = { actor: 'test', now: nowInSeconds }
      if (await steady.readKey(ref)) await rotateKey(steady, ref, { ...options, force: true })
      else await createKey(steady, ref, { ...options, algorithm: algorithmOf(index) })
    }
    const first = await repairAll(doctor)
    const second = await repairAll(doctor)
    const { versions, living } = await inspect(server)

    const failed = [...flaky.failed].map(([code, count]) => `${count} ${code}`).join(', ')
    console.log(
      `flaky: ${SIZE.operations} operations, ${calls} calls, ${flaky.completed} completed, failed: ${failed || 'none'}; ` +
        `${versions.size} versions, ${first.orphans} orphans found at the end, ${second.orphans} after doctor --fix, ` +
        `${flaky.complaints.length} complaints, ${Math.round((Date.now() - began) / 1000)} s (seed ${SEED})`,
    )
    expect(flaky.complaints).toEqual([])
    expect(flaky.completed).toBeGreaterThan(SIZE.operations / 4)
    expect(new Set(versions.values()).size, 'a key behind two versions').toBe(versions.size)
    const committed = [...versions.values()].sort()
    expect([...living].sort(), 'what lives is exactly what is a version').toEqual(committed)
    const behind = new Set([...versions.values()])
    for (const [name, arn] of flaky.acknowledged) {
      expect(behind.has(arn.split('/').at(-1) ?? ''), `${name} was acknowledged`).toBe(true)
    }
    expect(second).toEqual({ orphans: 0, left: 0 })
  })
})
