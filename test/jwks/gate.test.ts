import { beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import type { LiveJwks } from '../../src/jwks/check.ts'
import { createKeyJwksDocument, serializeJwks } from '../../src/jwks/document.ts'
import { type GateOutcome, gateActivations } from '../../src/jwks/gate.ts'
import { activationOf } from '../../src/key/lifecycle.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { SIGN_KEY, SIGN_POLICY, START, signPolicy } from '../key/records.ts'
import { memoryBackend } from '../rotation/memory.ts'

const HOUR = 3_600
const DAY = 24 * HOUR
const { announcePeriod, publishLag, signerMaxStale, clockSkew } = SIGN_POLICY

/** Version 2 is announced from here on. */
const ANNOUNCED = START + 89 * DAY

let backend: Backend
let before: LiveJwks

beforeEach(async () => {
  backend = memoryBackend()
  await createKey(backend, SIGN_KEY, { actor: 'test', now: () => START })
  before = liveOf(await read())
  await rotateKey(backend, SIGN_KEY, { actor: 'test', now: () => ANNOUNCED })
})

async function read(): Promise<KeyRecord> {
  const key = await backend.readKey(SIGN_KEY)
  if (!key) throw new Error('there is no key')
  return key
}

function liveOf(key: KeyRecord, changedAt?: number): LiveJwks {
  const { document } = createKeyJwksDocument(key, { now: ANNOUNCED })
  const changed = changedAt === undefined ? {} : { 'last-modified': new Date(changedAt * 1000).toUTCString() }
  return {
    body: Buffer.from(serializeJwks(document)),
    headers: { 'content-type': 'application/json', ...changed },
  }
}

async function gate(
  live: LiveJwks | undefined,
  at: number,
  dryRun = false,
): Promise<GateOutcome | undefined> {
  const outcomes = await gateActivations(backend, await read(), live, {
    actor: 'cron',
    now: () => at,
    dryRun,
  })
  return outcomes[0]
}

async function activation(): Promise<number> {
  const version = (await read()).versions[1]
  return version ? activationOf(version) : 0
}

describe('the gate in front of an activation', () => {
  it('lets a version through that is in the live document', async () => {
    expect(await gate(liveOf(await read()), ANNOUNCED + 12 * HOUR)).toMatchObject({ gate: 'open' })
    expect(await activation()).toBe(ANNOUNCED + announcePeriod)
  })

  it('lets a version be that is not due to be there yet', async () => {
    expect(await gate(before, ANNOUNCED + publishLag)).toMatchObject({ gate: 'open' })
  })

  it.each([
    ['lacks it', (): LiveJwks | undefined => before],
    ['cannot be fetched', (): LiveJwks | undefined => undefined],
  ])('postpones it by a whole announcement, in the record, while the document %s', async (_, live) => {
    for (const at of [ANNOUNCED + 2 * HOUR, ANNOUNCED + 20 * HOUR, ANNOUNCED + 40 * HOUR]) {
      expect(await gate(live(), at)).toMatchObject({ gate: 'postponed', activatesAt: at + announcePeriod })
      expect(await activation()).toBe(at + announcePeriod)
    }
    expect((await read()).versions[1]?.events.map(({ type, actor }) => [type, actor])).toContainEqual([
      'postponed',
      'cron',
    ])
  })

  it('changes nothing more once it is there', async () => {
    await gate(before, ANNOUNCED + 2 * HOUR)
    const postponed = await activation()
    const live = liveOf(await read(), ANNOUNCED + 3 * HOUR)
    expect(await gate(live, ANNOUNCED + 4 * HOUR)).toMatchObject({ gate: 'open' })
    expect(await activation()).toBe(postponed)
  })

  it('postpones one that came late until every consumer has it', async () => {
    const policy = signPolicy({ consumerCache: '6h' })
    backend = memoryBackend()
    await createKey(backend, SIGN_KEY, { actor: 'test', now: () => START, policy })
    await rotateKey(backend, SIGN_KEY, { actor: 'test', now: () => ANNOUNCED })
    const late = ANNOUNCED + announcePeriod - 5 * HOUR
    expect(await gate(liveOf(await read(), late), late + 60)).toMatchObject({
      gate: 'postponed',
      activatesAt: late + policy.consumerCache + 2 * clockSkew,
    })
  })

  it('says so where it is too late: stale signers would use it anyway', async () => {
    const tooLate = ANNOUNCED + announcePeriod - signerMaxStale - clockSkew
    const outcome = await gate(before, tooLate)
    expect(outcome).toMatchObject({ gate: 'too-late', activatesAt: ANNOUNCED + announcePeriod })
    expect(outcome?.error).toBeDefined()
    expect(await activation()).toBe(ANNOUNCED + announcePeriod)
  })

  it('records nothing in a dry run', async () => {
    expect(await gate(before, ANNOUNCED + 2 * HOUR, true)).toMatchObject({ gate: 'postponed' })
    expect(await activation()).toBe(ANNOUNCED + announcePeriod)
  })

  it('never touches an active version', async () => {
    expect(await gate(before, ANNOUNCED + 2 * DAY)).toBeUndefined()
  })
})
