import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  type KMSClient,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'
import { kmsAlgorithmOf } from '../../../src/backend/aws-kms/algorithms.ts'
import { versionAlias } from '../../../src/backend/aws-kms/alias.ts'
import { keyIdOf } from '../../../src/backend/aws-kms/kms.ts'
import type { Backend } from '../../../src/backend/backend.ts'
import type { ConformanceHarness, Outage, StoredEdit } from '../../../src/backend/conformance/harness.ts'
import type { KeyAlgorithm } from '../../../src/key/algorithm.ts'
import type { VersionRecord } from '../../../src/key/record.ts'

/** A service that speaks the protocol of AWS KMS, with an empty account. */
export interface AwsPlace {
  /** Somebody with every permission who is not Keyturn. */
  readonly kms: KMSClient
  readonly settleMilliseconds: number
  open(environment: string): Promise<Backend>
  outage(): Promise<Outage>
  /** Lets the waiting period of every deletion run out. */
  finishDestruction(): Promise<void>
  close(): Promise<void>
}

/** @param edits which of the edits; all unless told */
export function createAwsHarness(
  place: AwsPlace,
  edits: readonly StoredEdit[] = awsEdits(place.kms),
): ConformanceHarness {
  const backends: Backend[] = []
  return {
    sharesEnvironments: true,
    settleMilliseconds: place.settleMilliseconds,
    edits,
    open: async (environment) => {
      const backend = await place.open(environment)
      backends.push(backend)
      return backend
    },
    outage: () => place.outage(),
    createForeign: (algorithm) => createForeign(place.kms, algorithm),
    finishDestruction: () => place.finishDestruction(),
    close: async () => {
      for (const backend of backends) await backend.close()
      await place.close()
    },
  }
}

/** A key that somebody made in the console. Resolves to its ARN. */
export async function createForeign(kms: KMSClient, algorithm: KeyAlgorithm): Promise<string> {
  const { spec, usage } = kmsAlgorithmOf(algorithm) ?? {}
  const tags = [{ TagKey: 'team', TagValue: 'payments' }]
  const command = new CreateKeyCommand({
    KeySpec: spec,
    KeyUsage: usage,
    Description: 'made by hand',
    Tags: tags,
  })
  const { KeyMetadata } = await kms.send(command)
  return KeyMetadata?.Arn ?? ''
}

/** What somebody with the console can do to a signing version that is suspended, and must be caught. */
export function awsEdits(kms: KMSClient): readonly StoredEdit[] {
  const edit = (name: string, change: (version: VersionRecord) => Promise<unknown>): StoredEdit => ({
    name,
    caughtBy: 'read',
    apply: async (version) => {
      await change(version)
      return versionAlias(version.ref)
    },
  })
  const tag = (name: string, TagValue: string, as = name): StoredEdit =>
    edit(as, ({ material }) =>
      kms.send(
        new TagResourceCommand({ KeyId: material.id, Tags: [{ TagKey: `keyturn-${name}`, TagValue }] }),
      ),
    )
  const untag = (name: string, as: string): StoredEdit =>
    edit(as, ({ material }) =>
      kms.send(new UntagResourceCommand({ KeyId: material.id, TagKeys: [`keyturn-${name}`] })),
    )
  return [
    tag('environment', 'elsewhere'),
    tag('purpose', 'encrypt'),
    tag('name', 'another'),
    tag('version', '2', 'number'),
    tag('algorithm', 'ed25519'),
    tag('content', 'bytes'),
    tag('activates-at', '4000000000'),
    tag('activation', 'emergency'),
    tag('origin', 'adopted'),
    tag('policy', '900d_24h_24h_1h_1h_24h_15m_1h_5m_5m_30d'),
    tag('format', '2'),
    tag('extra', 'x', 'unknown-member'),
    untag('suspended', 'event-removed'),
    untag('policy', 'missing-member'),
    edit('description', ({ material }) =>
      kms.send(new UpdateKeyDescriptionCommand({ KeyId: material.id, Description: 'keyturn' })),
    ),
    edit('enabled and the tag removed', async ({ material }) => {
      await kms.send(new UntagResourceCommand({ KeyId: material.id, TagKeys: ['keyturn-suspended'] }))
      await kms.send(new EnableKeyCommand({ KeyId: keyIdOf(material.id) }))
      await kms.send(new DisableKeyCommand({ KeyId: keyIdOf(material.id) }))
    }),
    edit('deletion scheduled by hand', ({ material }) =>
      kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyIdOf(material.id), PendingWindowInDays: 7 })),
    ),
    edit('moved', async ({ ref, algorithm }) => {
      const TargetKeyId = keyIdOf(await createForeign(kms, algorithm))
      await kms.send(new UpdateAliasCommand({ AliasName: versionAlias(ref), TargetKeyId }))
    }),
  ]
}
