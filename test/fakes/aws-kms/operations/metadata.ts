import type { KeyFacts, StoredKey } from '../realm.ts'

/** Dates on the wire are seconds since 1970, with milliseconds as a fraction. */
export function seconds(milliseconds: number): number {
  return milliseconds / 1000
}

/** The algorithms that a key has for its one usage, under the name that the API gives them. */
export function algorithmsOf({ spec, usage }: StoredKey): Record<string, readonly string[]> {
  if (usage === 'SIGN_VERIFY') return { SigningAlgorithms: spec.signing ?? [] }
  if (usage === 'GENERATE_VERIFY_MAC') return { MacAlgorithms: spec.mac ? [spec.mac] : [] }
  return { EncryptionAlgorithms: spec.encryption ?? [] }
}

export function metadataOf(key: StoredKey, facts: KeyFacts): Record<string, unknown> {
  const current = key.secrets.at(-1)
  return {
    AWSAccountId: key.account,
    Arn: key.arn,
    CreationDate: seconds(key.createdAt),
    ...(key.specName.startsWith('ML_') || key.specName === 'ECC_NIST_EDWARDS25519'
      ? {}
      : { CustomerMasterKeySpec: key.specName }),
    ...(key.specName === 'SYMMETRIC_DEFAULT' && current ? { CurrentKeyMaterialId: current.id } : {}),
    ...(facts.deletionDate === undefined ? {} : { DeletionDate: seconds(facts.deletionDate) }),
    Description: facts.description,
    Enabled: facts.state === 'Enabled',
    KeyId: key.id,
    KeyManager: 'CUSTOMER',
    KeySpec: key.specName,
    KeyState: facts.state,
    KeyUsage: key.usage,
    MultiRegion: false,
    Origin: 'AWS_KMS',
    ...algorithmsOf(key),
  }
}
