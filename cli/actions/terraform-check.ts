import {
  type Backend,
  type CallOptions,
  type Finding,
  formatVersionRef,
  type KeyRecord,
  stateOf,
} from '../../src/index.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, requireCloud, resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { renderTable } from '../render.ts'
import { withBackend } from '../session.ts'
import { comparePolicy, type PolicyDifference } from '../terraform/key-policy.ts'
import { viewFinding } from '../views.ts'

interface CheckedVersion {
  readonly version: string
  readonly isTerraforms: boolean
  /** Absent where the backend reads no policy of a single key. */
  readonly policy?: PolicyDifference
}

/** Reads what the backend checks anyway, and beside it the policy of each key that is not destroyed. Changes nothing. */
export const check: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  requireCloud(settings)
  const { findings, versions } = await withBackend(context, settings, 'records', (backend) =>
    checkAll(context, backend),
  )
  await tellFindings(context, findings)
  const differing = versions.filter(({ policy }) => policy && isDifferent(policy))
  for (const { version, policy } of differing) await context.warn(`${version}: ${describe(policy)}`)
  const agrees = !hasErrors(findings) && differing.length === 0
  await context.succeed({
    json: {
      environment,
      agrees,
      versions: versions.map(({ version, isTerraforms, policy }) => ({
        version,
        managedByTerraform: isTerraforms,
        ...(policy ? { keyPolicy: policy } : {}),
      })),
      findings: findings.map(viewFinding),
    },
    text: () => textOf(context, environment, versions, agrees),
  })
  return agrees ? undefined : EXIT.checkFailed
}

async function checkAll(
  context: Context,
  backend: Backend,
): Promise<{ readonly findings: readonly Finding[]; readonly versions: readonly CheckedVersion[] }> {
  const { keys } = await collectKeys(backend, {}, context.call)
  const findings: Finding[] = []
  for await (const finding of backend.diagnose({}, context.call)) findings.push(finding)
  const versions: CheckedVersion[] = []
  for (const key of keys) versions.push(...(await checkKey(backend, key, context.now(), context.call)))
  return { findings, versions }
}

async function checkKey(
  backend: Backend,
  key: KeyRecord,
  now: number,
  call: CallOptions,
): Promise<readonly CheckedVersion[]> {
  const checked: CheckedVersion[] = []
  for (const version of key.versions) {
    if (stateOf(version, key.versions, now) === 'destroyed') continue
    const read = await backend.readProvisioning?.(version.ref, call)
    if (!read) continue
    const { isTerraforms, accessPolicy } = read
    checked.push({
      version: formatVersionRef(version.ref),
      isTerraforms,
      ...(accessPolicy === undefined ? {} : { policy: comparePolicy(version, accessPolicy) }),
    })
  }
  return checked
}

function isDifferent({ missing, alsoAllows }: PolicyDifference): boolean {
  return missing.length > 0 || alsoAllows.length > 0
}

function describe({ missing, alsoAllows }: PolicyDifference = { missing: [], alsoAllows: [] }): string {
  const parts = [
    ...(missing.length === 0 ? [] : [`its key policy lacks ${missing.join(', ')}`]),
    ...(alsoAllows.length === 0
      ? []
      : [`its key policy also allows what no module declares: ${alsoAllows.join(', ')}`]),
  ]
  return `${parts.join('; ')}. Apply terraform/aws, and give later versions the policy of the first with aws kms put-key-policy`
}

function textOf(
  context: Context,
  environment: string,
  versions: readonly CheckedVersion[],
  agrees: boolean,
): string {
  const verdict = agrees
    ? context.paint('green', `${environment} agrees with the Terraform modules`)
    : `${environment} disagrees with the Terraform modules`
  if (versions.length === 0) return verdict
  const rows = versions.map(({ version, isTerraforms, policy }) => [
    version,
    isTerraforms ? 'terraform' : '-',
    policy === undefined ? 'none of its own' : isDifferent(policy) ? 'differs' : 'as declared',
  ])
  return `${renderTable(['VERSION', 'MANAGED BY', 'KEY POLICY'], rows, context.paint)}\n${verdict}`
}
