import {
  type Backend,
  type EventOptions,
  fetchLiveJwks,
  formatInstant,
  formatVersionRef,
  type GateOutcome,
  gateActivations,
  type KeyRecord,
  KeyturnError,
  type LiveJwks,
  stateAt,
  timelinesOf,
} from '../src/index.ts'
import type { Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { collectKeys } from './findings.ts'

/**
 * Holds every announced version against what consumers can fetch, where the configuration says where that is. What is not
 * there in good time is postponed; a key whose document cannot be fetched never stops the others.
 */
export async function gateAll(
  context: Context,
  settings: Settings,
  backend: Backend,
  options: EventOptions,
): Promise<readonly GateOutcome[]> {
  const { jwksUrl } = settings
  if (jwksUrl === undefined) return []
  const { keys } = await collectKeys(backend, { purpose: 'sign' }, context.call)
  const live = new Map<string, Promise<LiveJwks | undefined>>()
  const outcomes: GateOutcome[] = []
  for (const key of keys.filter((one) => isAnnouncing(one, context.now()))) {
    const url = jwksUrl.replaceAll('{name}', key.ref.name)
    if (!live.has(url)) live.set(url, fetchOrWarn(context, url))
    outcomes.push(...(await gateActivations(backend, key, await live.get(url), options)))
  }
  for (const { gate, message } of outcomes) if (gate !== 'open') await context.warn(`${message}.`)
  return outcomes
}

function isAnnouncing(key: KeyRecord, now: number): boolean {
  return timelinesOf(key.versions).some((line) => stateAt(line, now) === 'pre-activation')
}

async function fetchOrWarn(context: Context, url: string): Promise<LiveJwks | undefined> {
  try {
    return await fetchLiveJwks(url, context.call)
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    await context.warn(`${error.message}. Nothing shows that consumers have what is announced.`)
    return undefined
  }
}

export function viewGate({ version, gate, activatesAt, message }: GateOutcome): object {
  return { version: formatVersionRef(version), gate, activatesAt: formatInstant(activatesAt), message }
}
