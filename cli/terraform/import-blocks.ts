import { ConfigurationError } from '../../src/index.ts'
import type { CloudSettings, Takeover } from './declared.ts'
import { hclText, hclValue } from './hcl.ts'

/** One resource that Terraform is to take into its state. */
export interface ImportBlock {
  readonly to: string
  readonly id: string
}

/** The prefix of key rings that terraform/gcp declares. */
const KEY_RING_PREFIX = 'keyturn'

/**
 * The resources of terraform/aws and terraform/gcp that exist already.
 *
 * @throws ConfigurationError where the module cannot describe what is there
 */
export function importBlocks(
  takeovers: readonly Takeover[],
  settings: CloudSettings,
  module: string,
): readonly ImportBlock[] {
  if (takeovers.length === 0) return []
  return settings.kind === 'aws-kms'
    ? takeovers.flatMap(({ id, first }) => [
        { to: `module.${module}.aws_kms_key.first["${id}"]`, id: keyIdOf(first.material.id) },
        {
          to: `module.${module}.aws_kms_alias.first["${id}"]`,
          id: `alias/keyturn/${first.ref.environment}/${id}/v1`,
        },
      ])
    : [
        keyRingBlock(takeovers, settings, module),
        ...takeovers.map(({ id, first }) => ({
          to: `module.${module}.google_kms_crypto_key.first["${id}"]`,
          id: first.material.id,
        })),
      ]
}

/** The id within an ARN, which is what the provider takes. */
function keyIdOf(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1)
}

function keyRingBlock(takeovers: readonly Takeover[], settings: CloudSettings, module: string): ImportBlock {
  const [keyRing = ''] = takeovers[0]?.first.material.id.split('/cryptoKeys/') ?? []
  const { keyRingPrefix = KEY_RING_PREFIX } = settings.kind === 'gcp-kms' ? settings.config : {}
  if (keyRingPrefix !== KEY_RING_PREFIX) {
    throw new ConfigurationError(
      `terraform/gcp declares key rings that begin with ${KEY_RING_PREFIX}-, and this one begins with ${keyRingPrefix}-`,
      { advice: 'A key ring cannot be renamed: leave these keys out of Terraform' },
    )
  }
  return { to: `module.${module}.google_kms_key_ring.environment`, id: keyRing }
}

/** The command that tells Keyturn whose a version is, once Terraform has it. */
export function markCommand({ first }: Takeover, settings: CloudSettings): string {
  if (settings.kind === 'aws-kms') {
    return `aws kms tag-resource --key-id ${first.material.id} --tags TagKey=keyturn-managed-by,TagValue=terraform`
  }
  const [, project, location, keyRing, key] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/keyRings\/([^/]+)\/cryptoKeys\/([^/]+)$/.exec(
      first.material.id,
    ) ?? []
  return `gcloud kms keys update ${key} --keyring ${keyRing} --location ${location} --project ${project} --update-labels keyturn-managed-by=terraform`
}

/** A file for the folder of the root module, formatted as `terraform fmt` does. */
export function renderImports(
  takeovers: readonly Takeover[],
  settings: CloudSettings,
  module: string,
): string {
  const keys = Object.fromEntries(takeovers.map(({ entry, declared }) => [entry, { ...declared }]))
  const hsm = settings.kind === 'gcp-kms' && settings.config.protectionLevel === 'HSM'
  return `${[
    `# For the call of the module: keys = local.${module}_keys${hsm ? ', protection_level = "HSM"' : ''}`,
    `locals {\n  ${module}_keys = ${hclValue(keys, '  ')}\n}`,
    ...importBlocks(takeovers, settings, module).map(
      ({ to, id }) => `\nimport {\n  to = ${to}\n  id = ${hclText(id)}\n}`,
    ),
    '',
    '# Once it is applied, as an administrator. Terraform ignores changes of tags, so it does not do this by itself, and without it',
    '# Keyturn would destroy such a version without asking for its release.',
    ...takeovers.map((takeover) => `#   ${markCommand(takeover, settings)}`),
  ].join('\n')}\n`
}
