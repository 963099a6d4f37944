import type { Call, Output } from '../call.ts'
import { makeKeyPair, makeSecret } from '../crypto/material.ts'
import { invalid, KmsError, unsupported } from '../errors.ts'
import { History } from '../history.ts'
import type { KeyFacts, StoredKey } from '../realm.ts'
import { KEY_SPECS, type KeySpec, USAGES, type Usage } from '../specs.ts'
import { readTags } from '../tags.ts'
import { metadataOf } from './metadata.ts'

export const LONGEST_DESCRIPTION = 8192
const LONGEST_POLICY = 32_768

export async function createKey(call: Call): Promise<Output> {
  const { input } = call
  const { specName, spec, usage } = readSpec(call)
  const description = input.optionalText('Description', LONGEST_DESCRIPTION) ?? ''
  const tags = readTags(input, false)
  const policy = readPolicy(call) ?? defaultPolicy(call.realm.account)
  if (input.flag('MultiRegion')) throw unsupported('this server has no multi-Region keys')
  if ((input.optionalText('Origin') ?? 'AWS_KMS') !== 'AWS_KMS') {
    throw unsupported('this server generates all key material itself')
  }
  const access = { requestTags: tags, tagKeys: Object.keys(tags) }
  call.authorise('*', access)
  if (Object.keys(tags).length > 0) call.authorise('*', { ...access, action: 'kms:TagResource' })
  const key = await makeKey(call, specName, spec, usage)
  const facts: KeyFacts = { state: 'Enabled', description, tags, policy }
  key.facts.set(call.moment, facts)
  call.realm.addKey(key)
  return { KeyMetadata: metadataOf(key, facts) }
}

function readSpec({ input }: Call): { specName: string; spec: KeySpec; usage: Usage } {
  const names = Object.keys(KEY_SPECS)
  const specName =
    input.choice('KeySpec', names) ?? input.choice('CustomerMasterKeySpec', names) ?? 'SYMMETRIC_DEFAULT'
  const spec = KEY_SPECS[specName]
  if (!spec) throw invalid(`KeySpec ${specName} is not known`)
  const usage =
    input.choice('KeyUsage', USAGES) ?? (specName === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : undefined)
  if (!usage) {
    throw invalid('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.')
  }
  if (!spec.usages.includes(usage)) {
    throw invalid(`KeyUsage ${usage} is not compatible with KeySpec ${specName}`)
  }
  return { specName, spec, usage }
}

async function makeKey(call: Call, specName: string, spec: KeySpec, usage: Usage): Promise<StoredKey> {
  const { realm, service, now } = call
  const id = service.makeUuid()
  const materialId = service.makeHex(64)
  const { make } = spec
  const base = {
    id,
    arn: realm.arnOf(`key/${id}`),
    account: realm.account,
    region: realm.region,
    specName,
    spec,
    usage,
    createdAt: now,
    facts: new History<KeyFacts>(),
    rotations: [],
  }
  if (make.kind !== 'secret') return { ...base, secrets: [], pair: await makeKeyPair(make) }
  return { ...base, secrets: [{ id: materialId, key: makeSecret(make.bytes), createdAt: now }] }
}

/** A key policy has to be JSON. Beyond that it is kept and never evaluated: `allow` decides. */
export function readPolicy({ input }: Call): string | undefined {
  const policy = input.optionalText('Policy', LONGEST_POLICY)
  if (policy === undefined) return undefined
  try {
    const document: unknown = JSON.parse(policy)
    if (typeof document === 'object' && document !== null && 'Statement' in document) return policy
  } catch {
    // Refused below, like JSON that is no policy.
  }
  throw new KmsError('MalformedPolicyDocumentException', 'Policy contains invalid or missing statements')
}

function defaultPolicy(account: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  })
}
