import { DeleteAliasCommand, DescribeKeyCommand, KMSClient, ListAliasesCommand } from '@aws-sdk/client-kms'
import { openAwsKmsBackend } from '../../../src/backend/aws-kms/index.ts'
import type { EncryptAlg, SignAlg } from '../../../src/key/algorithm.ts'
import type { AwsPlace } from './harness.ts'

/** Where a moto listens. */
export interface MotoAddress {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/**
 * What moto has of the algorithms of AWS KMS: neither Ed25519 nor ML-DSA, no decryption with RSA, and RSASSA-PSS only with
 * another salt than RFC 7518 has.
 */
const OFFERED: readonly (SignAlg | EncryptAlg)[] = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'HS256',
  'HS384',
  'HS512',
  'urn:keyturn:kms-wrap',
]

/** An empty account of a moto that is running. Only one at a time. */
export async function createMotoPlace(moto: MotoAddress): Promise<AwsPlace> {
  const { endpoint, region, credentials } = moto
  await fetch(`${endpoint}/moto-api/reset`, { method: 'POST' })
  const clients: KMSClient[] = []
  let isDown = false
  const connect = (): KMSClient => {
    const client = new KMSClient({ endpoint, region, credentials, maxAttempts: 2 })
    client.middlewareStack.add(
      (next) => (args) => {
        if (isDown) throw Object.assign(new Error('unplugged'), { code: 'ECONNREFUSED' })
        return next(args)
      },
      { step: 'finalizeRequest', name: 'unplug' },
    )
    clients.push(client)
    return client
  }
  const kms = connect()
  return {
    kms,
    settleMilliseconds: 0,
    open: (environment) =>
      openAwsKmsBackend(
        {
          kind: 'aws-kms',
          client: connect(),
          algorithms: OFFERED,
          changesPerSecond: 10_000,
          settleMilliseconds: 0,
        },
        environment,
      ),
    outage: async () => {
      isDown = true
      return {
        code: 'unavailable',
        end: async () => {
          isDown = false
        },
      }
    },
    finishDestruction: () => dropAliases(kms),
    close: async () => {
      for (const client of clients) client.destroy()
    },
  }
}

/** moto never deletes: what AWS would do to the aliases of what is pending deletion. */
async function dropAliases(kms: KMSClient): Promise<void> {
  const { Aliases = [] } = await kms.send(new ListAliasesCommand({}))
  for (const { AliasName, TargetKeyId } of Aliases) {
    if (!AliasName?.startsWith('alias/keyturn')) continue
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: TargetKeyId }))
    if (KeyMetadata?.KeyState === 'PendingDeletion') await kms.send(new DeleteAliasCommand({ AliasName }))
  }
}
