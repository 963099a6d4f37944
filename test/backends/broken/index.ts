import { brokenCalls } from './calls.ts'
import { brokenContention } from './contention.ts'
import { brokenEvents } from './events.ts'
import { brokenHandles } from './handles.ts'
import { brokenReading } from './reading.ts'
import { brokenRecords } from './records.ts'
import type { BrokenBackend } from './variant.ts'
import { brokenWalls } from './walls.ts'

/** Backends that break the contract, each in one way. */
export const brokenBackends: readonly BrokenBackend[] = [
  ...brokenRecords,
  ...brokenContention,
  ...brokenEvents,
  ...brokenHandles,
  ...brokenWalls,
  ...brokenReading,
  ...brokenCalls,
]
