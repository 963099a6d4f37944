import assert from 'node:assert/strict'
import { StateError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import { announcedAt, type State, stateOf } from '../../key/lifecycle.ts'
import type { VersionEvent, VersionRecord } from '../../key/record.ts'
import type { Backend } from '../backend.ts'
import { plain, refuses } from './expect.ts'
import {
  anyAlgorithm,
  bareEvent,
  draftOf,
  ENVIRONMENT,
  eventually,
  HOUR,
  keptEvents,
  now,
  readExisting,
  readVersion,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'

/** A key whose version 1 is active and whose version 2 is announced. */
async function announcedKey(
  backend: Backend,
  name = 'key-one',
): Promise<{ readonly first: VersionRecord; readonly second: VersionRecord; readonly at: Instant }> {
  const algorithm = anyAlgorithm(backend)
  const createdAt = now()
  const first = await backend.addVersion(draftOf(algorithm, { name, createdAt }))
  const second = await backend.addVersion(
    draftOf(algorithm, { name, number: 2, createdAt, activation: 'scheduled' }),
  )
  return { first, second, at: Math.max(first.createdAt, second.createdAt) }
}

/** Records events in turn, each twice, and expects exactly these in the record, in this order. */
async function recordsOnce(
  backend: Backend,
  version: VersionRecord,
  events: readonly VersionEvent[],
): Promise<VersionRecord> {
  for (const [index, event] of events.entries()) {
    const once = await backend.recordEvent(version.ref, event)
    const twice = await backend.recordEvent(version.ref, event)
    assert.deepEqual(plain(twice), plain(once), `a repeated ${event.type} event changed the record`)
    const expected = keptEvents(backend.capabilities, events.slice(0, index + 1))
    const kept = backend.capabilities.history
      ? plain
      : (all: unknown) => (all as VersionEvent[]).map(bareEvent)
    assert.deepEqual(kept(once.events), kept(expected), `the events after ${event.type}`)
  }
  const read = await readVersion(backend, version)
  assert.deepEqual(plain(read.events), plain((await backend.recordEvent(version.ref, last(events))).events))
  return read
}

function last(events: readonly VersionEvent[]): VersionEvent {
  const event = events.at(-1)
  assert.ok(event)
  return event
}

async function stateNow(backend: Backend, version: VersionRecord, at: Instant): Promise<State> {
  const key = await readExisting(backend, version.ref)
  const current = key.versions.find((one) => one.ref.number === version.ref.number)
  assert.ok(current)
  return stateOf(current, key.versions, at)
}

const attribution = { actor: 'somebody@host', reason: 'because "x" — ü\nand more' }

export const eventCases: readonly ConformanceCase[] = [
  {
    name: 'events: a suspended version resumes, and may be suspended again',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { first, at } = await announcedKey(backend)
      await recordsOnce(backend, first, [
        { type: 'suspended', at: at + 60, ...attribution },
        { type: 'resumed', at: at + 120, ...attribution },
        { type: 'suspended', at: at + 180 },
      ])
      assert.equal(await stateNow(backend, first, at + 200), 'suspended')
      await repeatsOnce(backend, first, { type: 'resumed', at: at + 240 })
      assert.equal(await stateNow(backend, first, at + 241), 'pre-activation', 'signers dropped it meanwhile')
    },
  },
  {
    name: 'events: an announced version is postponed and advanced',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { first, second, at } = await announcedKey(backend)
      const later = second.activatesAt + 12 * HOUR
      const earlier = announcedAt(second) + HOUR
      await recordsOnce(backend, second, [
        { type: 'postponed', at: at + 1, activatesAt: later, ...attribution },
        { type: 'postponed', at: at + 2, activatesAt: later + HOUR },
        { type: 'advanced', at: at + 3, activatesAt: earlier, ...attribution },
      ])
      assert.equal(await stateNow(backend, second, earlier - 1), 'pre-activation')
      assert.equal(await stateNow(backend, second, earlier), 'active')
      assert.equal(await stateNow(backend, first, earlier - 1), 'active')
      assert.equal(await stateNow(backend, first, earlier), 'deactivated')
    },
  },
  {
    name: 'events: compromise and destruction are recorded once and stay',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { first, second, at } = await announcedKey(backend)
      await recordsOnce(backend, first, [
        { type: 'compromised', at: at + 1, ...attribution },
        { type: 'destroyed', at: at + 2, ...attribution },
      ])
      assert.equal(await stateNow(backend, first, at + 3), 'destroyed')
      assert.equal(await stateNow(backend, second, second.activatesAt), 'active')
    },
  },
  {
    name: 'events: a version destroyed before its activation never counts',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { first, second, at } = await announcedKey(backend)
      await recordsOnce(backend, second, [{ type: 'destroyed', at: at + 1 }])
      assert.equal(await stateNow(backend, first, second.activatesAt), 'active')
      assert.equal(await stateNow(backend, second, second.activatesAt), 'destroyed')
    },
  },
  {
    name: 'events: one version’s event is not another’s',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const one = await announcedKey(backend, 'one')
      const two = await announcedKey(backend, 'two')
      await backend.recordEvent(one.first.ref, { type: 'compromised', at: one.at })
      for (const version of [one.second, two.first, two.second]) {
        assert.deepEqual(plain((await readVersion(backend, version)).events), [])
      }
    },
  },
  {
    name: 'events: another instance may repeat an event',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const other = await harness.open(ENVIRONMENT)
      const { first, at } = await announcedKey(backend)
      const event = { type: 'compromised', at: at + 1 } as const
      const recorded = await backend.recordEvent(first.ref, event)
      await eventually(harness, async () => {
        assert.deepEqual(plain(await readVersion(other, first)), plain(recorded))
      })
      const repeated = await other.recordEvent(first.ref, { ...event, at: at + 60 })
      assert.deepEqual(plain(repeated), plain(recorded), 'a later repetition changed the record')
    },
  },
  {
    name: 'events: an event that does not fit the state is refused and leaves nothing',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { first, second, at } = await announcedKey(backend)
      const soon = second.activatesAt - second.policy.signerMaxStale
      const later = second.activatesAt + HOUR
      const refused: readonly (readonly [string, VersionRecord, VersionEvent])[] = [
        ['resuming the active version', first, { type: 'resumed', at }],
        ['destroying the active version', first, { type: 'destroyed', at }],
        ['postponing the active version', first, { type: 'postponed', at, activatesAt: later }],
        ['advancing the active version', first, { type: 'advanced', at, activatesAt: at }],
        ['suspending an announced version', second, { type: 'suspended', at }],
        ['resuming an announced version', second, { type: 'resumed', at }],
        [
          'postponing to an earlier time',
          second,
          { type: 'postponed', at, activatesAt: second.activatesAt - 1 },
        ],
        ['advancing to a later time', second, { type: 'advanced', at, activatesAt: later }],
        ['advancing before it is known', second, { type: 'advanced', at, activatesAt: at }],
        ['an event of the past', first, { type: 'suspended', at: at - HOUR }],
        ['postponing too late', second, { type: 'postponed', at: soon, activatesAt: later }],
        ['cancelling too late', second, { type: 'destroyed', at: soon }],
      ]
      for (const [what, version, event] of refused) {
        await refuses(() => backend.recordEvent(version.ref, event), StateError, what)
      }
      for (const version of [first, second]) {
        assert.deepEqual(
          plain(await readVersion(backend, version)),
          plain(version),
          'a refused event was recorded',
        )
      }
    },
  },
]

/** One more event, after others. */
async function repeatsOnce(backend: Backend, version: VersionRecord, event: VersionEvent): Promise<void> {
  const once = await backend.recordEvent(version.ref, event)
  const twice = await backend.recordEvent(version.ref, event)
  assert.deepEqual(plain(twice), plain(once), `a repeated ${event.type} event changed the record`)
  assert.deepEqual(bareEvent(last(once.events)), bareEvent(event))
}
