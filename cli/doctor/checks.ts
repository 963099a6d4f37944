import { type Backend, type Finding, loadLocalBackend } from '../../src/index.ts'
import { openAuditTrail } from '../audit-trail.ts'
import { loadConfig } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { collectKeys } from '../findings.ts'
import { localConfigOf } from '../local-session.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { fileClockFindings, recordClockFindings } from './clocks.ts'
import { refusedPolicyFindings, strayPolicyFindings, writableConfigFindings } from './configuration.ts'
import { issuerFindings } from './issuers.ts'
import { masterAgeFindings } from './master-age.ts'
import { formerPinFindings } from './pin.ts'

/** Everything that doctor looks at: what the backend finds, then what is around it. */
export async function* checkEverything(
  context: Context,
  settings: Settings,
  backend: Backend,
): AsyncIterable<Finding> {
  let isReadable = true
  for await (const finding of backend.diagnose({}, context.call)) {
    isReadable &&= !isAboutEnvironment(finding, settings)
    yield finding
  }
  yield* aroundConfiguration(settings)
  // Nothing else can be asked of an environment whose own log is refused.
  if (!isReadable) return
  const { keys, findings } = await collectKeys(backend, {}, context.call)
  const now = context.now()
  yield* recordClockFindings(keys, now)
  yield* refusedPolicyFindings(keys, now, nextPolicyBy(settings))
  const names = keys.map(({ ref }) => `${ref.purpose}/${ref.name}`)
  // A key that cannot be read is there all the same.
  const unreadable = findings.map(({ subject }) => subject.slice(subject.indexOf('/') + 1))
  yield* strayPolicies(settings, [...names, ...unreadable])
  yield* aroundLocalStore(context, settings)
}

function isAboutEnvironment({ severity, subject }: Finding, { environment }: Settings): boolean {
  return severity === 'error' && subject.endsWith(`${environment}/environment`)
}

async function* aroundConfiguration(settings: Settings): AsyncIterable<Finding> {
  const { environment, configFile } = settings
  if (configFile === undefined) return
  const { file, included, environments } = loadConfig(configFile)
  yield* issuerFindings(environment, settings, environments)
  for (const one of [file, ...included]) yield* await writableConfigFindings(one)
}

function strayPolicies({ environment, configFile }: Settings, keys: readonly string[]): readonly Finding[] {
  const configured =
    configFile === undefined ? undefined : loadConfig(configFile).environments.get(environment)
  return configured ? strayPolicyFindings(configured.file, configured.policyKeys, keys) : []
}

async function* aroundLocalStore(context: Context, settings: Settings): AsyncIterable<Finding> {
  const { environment, backend } = settings
  if (backend.kind !== 'local') return
  const { showLocalEnvironment } = await loadLocalBackend()
  const config = await localConfigOf(context, settings, 'records')
  const { masterKeyCreatedAt, rootThumbprint } = await showLocalEnvironment(config, environment)
  yield* formerPinFindings(settings, backend.rootThumbprint, rootThumbprint)
  yield* masterAgeFindings(environment, masterKeyCreatedAt, context.now())
  const trail = await openAuditTrail(context, settings)
  // Both by real clocks: a file has its time from the system, whatever a command was told.
  yield* fileClockFindings(backend.store, await trail.lastWrittenAt(), Date.now())
}
