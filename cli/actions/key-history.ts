import {
  formatInstant,
  formatKeyRef,
  type KeyRecord,
  type VersionEvent,
  type VersionRecord,
} from '../../src/index.ts'
import type { Action } from '../command.ts'
import { resolveSettings } from '../config/settings.ts'
import { parseKeyArgument, readKey } from '../key-argument.ts'
import { renderTable } from '../render.ts'
import { withBackend } from '../session.ts'

interface Entry {
  readonly at: number
  readonly version: number
  readonly type: string
  /** What happened, in words. */
  readonly what: string
  readonly actor?: string | undefined
  readonly reason?: string | undefined
}

export const showHistory: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io)
  const settings = resolveSettings(args, context.io, argument.environment)
  const key = await withBackend(context, settings, 'records', (backend) =>
    readKey(backend, argument, context.call),
  )
  const entries = entriesOf(key)
  await context.succeed({
    json: {
      key: formatKeyRef(key.ref),
      ...(key.history ? { history: key.history } : {}),
      entries: entries.map(({ what, at, ...entry }) => ({ at: formatInstant(at), ...entry })),
    },
    text: () =>
      renderTable(
        ['TIME', 'VERSION', 'WHAT', 'ACTOR', 'REASON'],
        entries.map((entry) => [
          formatInstant(entry.at),
          `@${entry.version}`,
          entry.what,
          entry.actor ?? '-',
          entry.reason ?? '-',
        ]),
        context.paint,
      ),
  })
  return undefined
}

/** Oldest first. What happened in one second stays in the order in which it was recorded for its version. */
function entriesOf(key: KeyRecord): readonly Entry[] {
  return key.versions
    .flatMap((version) => [creationOf(version), ...version.events.map((event) => entryOf(version, event))])
    .sort((a, b) => a.at - b.at)
}

function creationOf(version: VersionRecord): Entry {
  const { ref, createdAt, activatesAt, activation, origin, actor, reason } = version
  const when =
    activation === 'scheduled'
      ? `activates at ${formatInstant(activatesAt)}`
      : `active at once (${activation})`
  const what = `${origin}, ${when}`
  return { at: createdAt, version: ref.number, type: 'created', what, actor, reason }
}

function entryOf({ ref }: VersionRecord, event: VersionEvent): Entry {
  const { at, type, actor, reason } = event
  const what = 'activatesAt' in event ? `${type} to ${formatInstant(event.activatesAt)}` : type
  return { at, version: ref.number, type, what, actor, reason }
}
