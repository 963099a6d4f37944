import {
  formatKeyRef,
  KeyNotFoundError,
  type KeyRecord,
  type PolicyOverrides,
  type Timeline,
  timelinesOf,
} from '../../src/index.ts'
import type { Action } from '../command.ts'
import { resolveSettings, type Settings } from '../config/settings.ts'
import type { Context, Result } from '../context.ts'
import { parseKeyArgument, readKey } from '../key-argument.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { renderFacts, renderTable } from '../render.ts'
import { withBackend } from '../session.ts'
import {
  paintedState,
  type VersionView,
  viewKey,
  viewPolicy,
  viewVersion,
  viewVersionInFull,
} from '../views.ts'

const PERIODS_ON_A_LINE = 3

export const showKey: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { takesVersion: true })
  const settings = resolveSettings(args, context.io, argument.environment)
  const key = await withBackend(context, settings, 'records', (backend) =>
    readKey(backend, argument, context.call),
  )
  const lines = timelinesOf(key.versions)
  await context.succeed(
    argument.number === undefined
      ? presentKey(context, settings, key, lines)
      : presentVersion(context, requireVersion(key, lines, argument.number)),
  )
  return undefined
}

function requireVersion(key: KeyRecord, lines: readonly Timeline[], number: number): Timeline {
  const line = lines.find(({ version }) => version.ref.number === number)
  if (line) return line
  throw new KeyNotFoundError(`${formatKeyRef(key.ref)} has no version ${number}`, {
    advice: `Its latest is ${key.versions.at(-1)?.ref.number}`,
  })
}

function presentKey(
  context: Context,
  settings: Settings,
  key: KeyRecord,
  lines: readonly Timeline[],
): Result {
  const now = context.now()
  const view = viewKey(key, now, nextPolicyBy(settings))
  const versions = lines.map((line) => viewVersion(line, now))
  const latest = lines.at(-1)
  const policy = latest ? viewPolicy(latest) : {}
  return {
    json: { ...view, policy, ...(key.history ? { history: key.history } : {}), versions },
    text: () =>
      [
        renderFacts({
          key: view.key,
          algorithm: view.algorithm,
          content: view.content,
          'rotation due': view.overdue ? `${view.rotationDueAt}, overdue` : view.rotationDueAt,
          policy: linesOfPolicy(policy),
        }),
        '',
        renderTable(
          ['VERSION', 'STATE', 'ACTIVATES', 'DEACTIVATES', 'EXPIRES', 'KID'],
          versions.map((version) => rowOf(version)),
          context.paint,
        ),
      ].join('\n'),
  }
}

/** A few periods on a line, so that a terminal of 80 columns holds it. */
function linesOfPolicy(policy: PolicyOverrides): readonly string[] {
  const periods = Object.entries(policy).map(([field, value]) => `${field} ${value}`)
  const lines: string[] = []
  for (let start = 0; start < periods.length; start += PERIODS_ON_A_LINE) {
    lines.push(periods.slice(start, start + PERIODS_ON_A_LINE).join(', '))
  }
  return lines
}

function rowOf(version: VersionView): Parameters<typeof renderTable>[1][number] {
  const { number, state, activatesAt, deactivatesAt = '-', expiresAt = '-', kid } = version
  return [`@${number}`, paintedState(state), activatesAt, deactivatesAt, expiresAt, kid]
}

function presentVersion(context: Context, line: Timeline): Result {
  const view = viewVersionInFull(line, context.now())
  const { version } = line
  return {
    json: { ...view },
    text: () =>
      renderFacts({
        version: view.ref,
        state: view.state,
        kid: view.kid,
        created: `${view.createdAt}${version.actor === undefined ? '' : ` by ${version.actor}`}`,
        reason: version.reason,
        activates: `${view.activatesAt} (${view.activation})`,
        deactivates: view.deactivatesAt,
        expires: view.expiresAt,
        origin: view.origin,
        ...Object.fromEntries(
          Object.entries(viewPolicy(line)).map(([field, value]) => [`policy ${field}`, String(value)]),
        ),
        'public key': version.publicJwk ? JSON.stringify(version.publicJwk) : undefined,
      }),
  }
}
