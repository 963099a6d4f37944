import { parseEnvironment } from '../../key/ref.ts'
import type { Backend } from '../backend.ts'
import type { KeyMaterial } from '../compose.ts'
import { guardBackend } from '../guard.ts'
import { AwsKmsBackend } from './backend.ts'
import {
  type AwsKmsBackendConfig,
  checkConfig,
  DEFAULT_CHANGES_PER_SECOND,
  DEFAULT_DELETION_WINDOW_DAYS,
  DEFAULT_SETTLE_MS,
} from './config.ts'
import { type Connection, connect } from './connect.ts'
import type { AwsContext } from './context.ts'
import { Kms } from './kms.ts'
import { AwsKmsMaterial } from './material.ts'
import { KeyReader } from './reader.ts'

export async function openBackend(config: AwsKmsBackendConfig, environment: string): Promise<Backend> {
  const { context, connection } = await openContext(config, environment)
  return guardBackend(new AwsKmsBackend(context, config.algorithms, () => disconnect(connection)))
}

export async function openMaterial(config: AwsKmsBackendConfig, environment: string): Promise<KeyMaterial> {
  const { context, connection } = await openContext(config, environment)
  return new AwsKmsMaterial(context, config.algorithms, () => disconnect(connection))
}

/** Checks the configuration, and connects. No call is made. */
async function openContext(
  config: AwsKmsBackendConfig,
  environment: string,
): Promise<{ readonly context: AwsContext; readonly connection: Connection }> {
  parseEnvironment(environment)
  checkConfig(config)
  const connection = await connect(config)
  const clock = config.clock ?? Date.now
  const kms = new Kms(connection.client, {
    expectedAccount: config.expectedAccount,
    changesPerSecond: config.changesPerSecond ?? DEFAULT_CHANGES_PER_SECOND,
  })
  const settleMilliseconds = config.settleMilliseconds ?? DEFAULT_SETTLE_MS
  const context: AwsContext = {
    kms,
    reader: new KeyReader(kms, { settleMilliseconds, clock }),
    environment,
    keyPolicy: config.keyPolicy,
    extraTags: config.tags ?? {},
    deletionWindowDays: config.deletionWindowDays ?? DEFAULT_DELETION_WINDOW_DAYS,
    settleMilliseconds,
    clock,
  }
  return { context, connection }
}

function disconnect({ client, isOwn }: Connection): void {
  if (isOwn) client.destroy()
}
