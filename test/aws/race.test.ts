import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { DescribeKeyCommand, KMSClient, paginateListAliases, paginateListKeys } from '@aws-sdk/client-kms'
import { afterAll, expect, it } from 'vitest'
import { parseAlias } from '../../src/backend/aws-kms/alias.ts'
import { openAwsKmsBackend } from '../../src/backend/aws-kms/index.ts'
import { createKey } from '../../src/rotation/apply.ts'
import { type Moto, startMoto } from '../fakes/moto.ts'
import { NODE_FLAGS } from '../support/node-process.ts'

const WORKER = fileURLToPath(new URL('./rotate-worker.mjs', import.meta.url))
const PROCESSES = 32
const ROUNDS = 3
const CONFIG = { kind: 'aws-kms', changesPerSecond: 1_000, settleMilliseconds: 5_000 } as const

const workers: ChildProcess[] = []

afterAll(() => {
  for (const worker of workers) worker.kill()
})

/** A process that answers one line with one line. */
interface Racer {
  ask(line: string): Promise<string>
  end(): void
}

async function startRacer({ endpoint, region, credentials }: Moto): Promise<Racer> {
  const client = { endpoint, region, credentials, maxAttempts: 4 }
  const child = spawn(process.execPath, [...NODE_FLAGS, WORKER, JSON.stringify({ config: CONFIG, client })], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  workers.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  expect(await next()).toBe('ready')
  return {
    ask: (line) => {
      child.stdin.write(`${line}\n`)
      return next()
    },
    end: () => child.stdin.end(),
  }
}

it('of 32 processes that rotate one key at once, one adds a version and every other gives up its key', async () => {
  const began = Date.now()
  const moto = await startMoto()
  const { endpoint, region, credentials } = moto
  const kms = new KMSClient({ endpoint, region, credentials })
  const backend = await openAwsKmsBackend({ ...CONFIG, client: kms }, 'production')
  const ref = { environment: 'production', purpose: 'sign', name: 'tokens' } as const
  await createKey(backend, ref, { actor: 'test', now: () => Math.floor(Date.now() / 1000) })
  // A few at a time: they share two processors.
  const racers: Racer[] = []
  while (racers.length < PROCESSES) {
    racers.push(...(await Promise.all(Array.from({ length: 8 }, () => startRacer(moto)))))
  }
  for (let round = 1; round <= ROUNDS; round++) {
    const answers = await Promise.all(racers.map((racer) => racer.ask(String(round))))
    const added = answers.filter((answer) => answer.startsWith('added'))
    expect(added, `round ${round}: ${answers.join(', ')}`).toHaveLength(1)
    expect(added[0]).toMatch(new RegExp(`^added ${round + 1} `))
    expect(new Set(answers.filter((answer) => !answer.startsWith('added')))).toEqual(
      new Set(['refused version-conflict']),
    )
  }
  for (const racer of racers) racer.end()

  const versions = new Set<string>()
  for await (const { Aliases = [] } of paginateListAliases({ client: kms }, {})) {
    for (const { AliasName = '', TargetKeyId = '' } of Aliases) {
      const alias = parseAlias(AliasName)
      if (alias && 'version' in alias) versions.add(TargetKeyId)
    }
  }
  expect(versions.size).toBe(ROUNDS + 1)
  let orphans = 0
  for await (const { Keys = [] } of paginateListKeys({ client: kms }, {})) {
    for (const { KeyId = '' } of Keys) {
      const state = (await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState
      expect(state, KeyId).toBe(versions.has(KeyId) ? 'Enabled' : 'PendingDeletion')
      if (!versions.has(KeyId)) orphans++
    }
  }
  const seconds = Math.round((Date.now() - began) / 1000)
  console.log(
    `race: ${PROCESSES} processes, ${ROUNDS} rounds, ${versions.size} versions, ${orphans} orphans scheduled for deletion, ${seconds} s`,
  )
  await backend.close()
  kms.destroy()
  await moto.stop()
})
