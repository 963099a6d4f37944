import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GetKeyLastUsageCommand,
  GetKeyPolicyCommand,
  GetPublicKeyCommand,
  type KeyMetadata,
  type KeySpec,
  type KeyUsageType,
  type KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'
import { BackendError, ConfigurationError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import type { Tags } from '../../key/tags.ts'
import type { CallOptions } from '../backend.ts'
import { Concurrency, Pace, withinCall } from './calls.ts'
import { isAwsError, translated } from './errors.ts'

const PAGE = 100
const TAGS_PAGE = 50
const MOST_AT_ONCE = 16

/** What AWS itself says of a key, apart from its tags. */
export interface KeyDescription {
  readonly arn: string
  readonly id: string
  readonly spec: string
  readonly usage: string
  readonly state: string
  readonly description: string
  readonly createdAt: Instant
  /** Made by AWS for one of its services: none of ours, and nothing of it can be changed. */
  readonly isAwsManaged: boolean
}

export interface NewKey {
  readonly spec: KeySpec
  readonly usage: KeyUsageType
  readonly description: string
  readonly tags: Tags
  readonly policy?: string | undefined
}

export interface Alias {
  readonly name: string
  readonly keyId?: string
  readonly createdAt?: Instant
}

export interface KmsSettings {
  readonly expectedAccount?: string | undefined
  readonly changesPerSecond: number
}

type HttpOptions = { readonly abortSignal?: AbortSignal }

/**
 * The operations of AWS KMS that a record takes, in Keyturn's words: every error translated, every call within the
 * caller's time, every key of the expected account. Everything that changes something keeps to AWS's quota per second.
 */
export class Kms {
  readonly client: KMSClient
  readonly #expectedAccount: string | undefined
  readonly #inFlight = new Concurrency(MOST_AT_ONCE)
  readonly #paces = new Map<string, Pace>()
  readonly #changesPerSecond: number

  constructor(client: KMSClient, { expectedAccount, changesPerSecond }: KmsSettings) {
    this.client = client
    this.#expectedAccount = expectedAccount
    this.#changesPerSecond = changesPerSecond
  }

  /** One call. @param doing completes "AWS KMS could not …" */
  call<T>(
    doing: string,
    options: CallOptions | undefined,
    send: (client: KMSClient, http: HttpOptions) => Promise<T>,
  ): Promise<T> {
    return withinCall(options, (signal) => this.#send(doing, signal, send))
  }

  async createKey(key: NewKey, options: CallOptions | undefined): Promise<KeyDescription> {
    const command = new CreateKeyCommand({
      KeySpec: key.spec,
      KeyUsage: key.usage,
      Description: key.description,
      Tags: tagList(key.tags),
      ...(key.policy === undefined ? {} : { Policy: key.policy }),
    })
    const reply = await this.#change('create a key', options, (client, http) => client.send(command, http))
    return this.#described(reply.KeyMetadata)
  }

  /** @param id a key's id or ARN, or the name of an alias */
  async describeKey(id: string, options: CallOptions | undefined): Promise<KeyDescription> {
    const command = new DescribeKeyCommand({ KeyId: id })
    const reply = await this.#read(`describe ${id}`, options, (client, http) => client.send(command, http))
    return this.#described(reply.KeyMetadata)
  }

  /** As describeKey, and undefined where there is no such key or alias. */
  async findKey(id: string, options: CallOptions | undefined): Promise<KeyDescription | undefined> {
    try {
      return await this.describeKey(id, options)
    } catch (error) {
      if (isAwsError(error, 'NotFoundException')) return undefined
      throw error
    }
  }

  async listTags(id: string, options: CallOptions | undefined): Promise<Tags> {
    const tags: Record<string, string> = {}
    let Marker: string | undefined
    do {
      const command = new ListResourceTagsCommand({ KeyId: id, Limit: TAGS_PAGE, Marker })
      const page = await this.#read(`list the tags of ${id}`, options, (client, http) =>
        client.send(command, http),
      )
      for (const { TagKey, TagValue } of page.Tags ?? []) if (TagKey) tags[TagKey] = TagValue ?? ''
      Marker = page.Truncated ? page.NextMarker : undefined
    } while (Marker !== undefined)
    return tags
  }

  /** SubjectPublicKeyInfo. */
  async getPublicKey(id: string, options: CallOptions | undefined): Promise<Uint8Array> {
    const command = new GetPublicKeyCommand({ KeyId: id })
    const reply = await this.#read(`get the public key of ${id}`, options, (client, http) =>
      client.send(command, http),
    )
    return reply.PublicKey ?? new Uint8Array()
  }

  async getKeyPolicy(id: string, options: CallOptions | undefined): Promise<string | undefined> {
    const command = new GetKeyPolicyCommand({ KeyId: id, PolicyName: 'default' })
    const reply = await this.#read(`get the key policy of ${id}`, options, (client, http) =>
      client.send(command, http),
    )
    return reply.Policy
  }

  /** When the key was last used; `unknown` where AWS does not tell, or has not watched it all its life. */
  async lastUsage(id: string, options: CallOptions | undefined): Promise<'never' | 'used' | 'unknown'> {
    const command = new GetKeyLastUsageCommand({ KeyId: id })
    const reply = await this.#read(`tell the last use of ${id}`, options, (client, http) =>
      client.send(command, http),
    )
    if (reply.KeyLastUsage && Object.keys(reply.KeyLastUsage).length > 0) return 'used'
    const { TrackingStartDate: since, KeyCreationDate: created } = reply
    return since && created && since > created ? 'unknown' : 'never'
  }

  /** Every key of the account and region, AWS's own among them. */
  async *listKeys(options: CallOptions | undefined): AsyncIterable<string> {
    let Marker: string | undefined
    do {
      const command = new ListKeysCommand({ Limit: PAGE, Marker })
      const page = await this.#read('list the keys', options, (client, http) => client.send(command, http))
      for (const { KeyArn } of page.Keys ?? []) if (KeyArn) yield this.#own(KeyArn)
      Marker = page.Truncated ? page.NextMarker : undefined
    } while (Marker !== undefined)
  }

  /** Every alias of the account and region: AWS has no filter by name. */
  async listAliases(options: CallOptions | undefined): Promise<readonly Alias[]> {
    const aliases: Alias[] = []
    let Marker: string | undefined
    do {
      const command = new ListAliasesCommand({ Limit: PAGE, Marker })
      const page = await this.#read('list the aliases', options, (client, http) => client.send(command, http))
      for (const { AliasName, AliasArn, TargetKeyId, CreationDate } of page.Aliases ?? []) {
        if (!AliasName) continue
        if (AliasArn) this.#own(AliasArn)
        aliases.push({
          name: AliasName,
          ...(TargetKeyId === undefined ? {} : { keyId: TargetKeyId }),
          ...(CreationDate === undefined ? {} : { createdAt: secondsOf(CreationDate) }),
        })
      }
      Marker = page.Truncated ? page.NextMarker : undefined
    } while (Marker !== undefined)
    return aliases
  }

  async createAlias(alias: string, keyId: string, options: CallOptions | undefined): Promise<void> {
    const command = new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId })
    await this.#change(`create ${alias}`, options, (client, http) => client.send(command, http))
  }

  async updateAlias(alias: string, keyId: string, options: CallOptions | undefined): Promise<void> {
    const command = new UpdateAliasCommand({ AliasName: alias, TargetKeyId: keyId })
    await this.#change(`move ${alias}`, options, (client, http) => client.send(command, http))
  }

  async deleteAlias(alias: string, options: CallOptions | undefined): Promise<void> {
    const command = new DeleteAliasCommand({ AliasName: alias })
    await this.#change(`delete ${alias}`, options, (client, http) => client.send(command, http))
  }

  async tagKey(id: string, tags: Tags, options: CallOptions | undefined): Promise<void> {
    const command = new TagResourceCommand({ KeyId: id, Tags: tagList(tags) })
    await this.#change(`tag ${id}`, options, (client, http) => client.send(command, http))
  }

  async untagKey(id: string, names: readonly string[], options: CallOptions | undefined): Promise<void> {
    const command = new UntagResourceCommand({ KeyId: id, TagKeys: [...names] })
    await this.#change(`untag ${id}`, options, (client, http) => client.send(command, http))
  }

  async describeAs(id: string, description: string, options: CallOptions | undefined): Promise<void> {
    const command = new UpdateKeyDescriptionCommand({ KeyId: id, Description: description })
    await this.#change(`change the description of ${id}`, options, (client, http) =>
      client.send(command, http),
    )
  }

  async enableKey(id: string, options: CallOptions | undefined): Promise<void> {
    const command = new EnableKeyCommand({ KeyId: keyIdOf(id) })
    await this.#change(`enable ${id}`, options, (client, http) => client.send(command, http))
  }

  async disableKey(id: string, options: CallOptions | undefined): Promise<void> {
    const command = new DisableKeyCommand({ KeyId: keyIdOf(id) })
    await this.#change(`disable ${id}`, options, (client, http) => client.send(command, http))
  }

  async scheduleDeletion(id: string, days: number, options: CallOptions | undefined): Promise<void> {
    const command = new ScheduleKeyDeletionCommand({ KeyId: keyIdOf(id), PendingWindowInDays: days })
    await this.#change(`schedule the deletion of ${id}`, options, (client, http) =>
      client.send(command, http),
    )
  }

  async cancelDeletion(id: string, options: CallOptions | undefined): Promise<void> {
    const command = new CancelKeyDeletionCommand({ KeyId: keyIdOf(id) })
    await this.#change(`cancel the deletion of ${id}`, options, (client, http) => client.send(command, http))
  }

  #read<T>(
    doing: string,
    options: CallOptions | undefined,
    send: (client: KMSClient, http: HttpOptions) => Promise<T>,
  ): Promise<T> {
    return withinCall(options, (signal) => this.#inFlight.run(() => this.#send(doing, signal, send)))
  }

  async #change<T>(
    doing: string,
    options: CallOptions | undefined,
    send: (client: KMSClient, http: HttpOptions) => Promise<T>,
  ): Promise<T> {
    const [verb = ''] = doing.split(' ')
    const pace = this.#paces.get(verb) ?? new Pace(this.#changesPerSecond)
    this.#paces.set(verb, pace)
    await pace.turn(options)
    return this.call(doing, options, send)
  }

  #send<T>(
    doing: string,
    signal: AbortSignal | undefined,
    send: (client: KMSClient, http: HttpOptions) => Promise<T>,
  ): Promise<T> {
    return translated(doing, () => send(this.client, signal ? { abortSignal: signal } : {}))
  }

  #described(metadata: KeyMetadata | undefined): KeyDescription {
    if (!metadata?.Arn || !metadata.KeyId) {
      throw new BackendError('unavailable', 'AWS KMS described a key without its ARN', {
        advice: 'Try later',
      })
    }
    return {
      arn: this.#own(metadata.Arn),
      id: metadata.KeyId,
      spec: metadata.KeySpec ?? 'unknown',
      usage: metadata.KeyUsage ?? 'unknown',
      state: metadata.KeyState ?? 'unknown',
      description: metadata.Description ?? '',
      createdAt: secondsOf(metadata.CreationDate ?? new Date(0)),
      isAwsManaged: metadata.KeyManager === 'AWS',
    }
  }

  /** @throws ConfigurationError for a resource of another account */
  #own(arn: string): string {
    const account = arn.split(':')[4] ?? ''
    if (this.#expectedAccount === undefined || account === this.#expectedAccount) return arn
    throw new ConfigurationError(
      `these credentials lead to the account ${account}, and expectedAccount is ${this.#expectedAccount}`,
      { advice: 'Use credentials of that account, or a roleArn in it' },
    )
  }
}

/** The id of a key, of its ARN or its id. Some emulators take nothing else where a key changes its state. */
export function keyIdOf(arn: string): string {
  return arn.slice(arn.indexOf('/') + 1)
}

function tagList(tags: Tags): { TagKey: string; TagValue: string }[] {
  return Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }))
}

function secondsOf(date: Date): Instant {
  return Math.floor(date.getTime() / 1000)
}
