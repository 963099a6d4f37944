import { type AccessRequest, checkAccess } from './access.ts'
import { invalidState, KmsError, notFound } from './errors.ts'
import { TRUTH, type View } from './history.ts'
import type { Input, Json } from './input.ts'
import type { Principal } from './principals.ts'
import type { KeyFacts, KeyState, Realm, StoredKey } from './realm.ts'
import type { KmsService } from './service.ts'

export type Output = Json

export interface Operation {
  /** `read`: may answer late. `use`: works with key material. `change`: always acts on the truth. */
  readonly kind: 'read' | 'use' | 'change'
  run(call: Call): Output | Promise<Output>
}

export interface KeyQuery {
  /** The parameter that names the key. */
  readonly parameter?: string
  /** In which states it may be; all by default. */
  readonly states?: readonly KeyState[]
  /** Whether an alias names it as well. */
  readonly byAlias?: boolean
  readonly access?: Partial<AccessRequest>
}

export interface FoundKey {
  readonly key: StoredKey
  readonly facts: KeyFacts
}

interface CallFields {
  readonly operation: string
  readonly kind: Operation['kind']
  readonly input: Input
  readonly principal: Principal
  readonly region: string
  readonly requestId: string
  readonly service: KmsService
  readonly moment: View
}

const UUID = /^(mrk-)?[0-9a-f-]{32,36}$/
const ARN = /^arn:aws:kms:([a-z0-9-]+):(\d{12}):((key|alias)\/.+)$/

/** One request under way: who asks for what, at which moment, and how much of the past it sees. */
export class Call {
  readonly operation: string
  readonly input: Input
  readonly principal: Principal
  readonly requestId: string
  readonly service: KmsService
  readonly moment: View
  readonly view: View
  readonly #region: string
  readonly #kind: Operation['kind']
  #aliasView: View | undefined

  constructor(fields: CallFields) {
    this.operation = fields.operation
    this.input = fields.input
    this.principal = fields.principal
    this.requestId = fields.requestId
    this.service = fields.service
    this.moment = fields.moment
    this.#region = fields.region
    this.#kind = fields.kind
    this.view = this.#viewOf(fields.kind)
  }

  get now(): number {
    return this.moment.at
  }

  /** Of the caller. */
  get realm(): Realm {
    return this.service.realm(this.principal.account, this.#region)
  }

  authorise(resource: string, more: Partial<AccessRequest> = {}): void {
    checkAccess(this.service.allow, {
      principal: this.principal,
      action: `kms:${this.operation}`,
      resource,
      resourceAccount: this.principal.account,
      resourceTags: {},
      resourceAliases: [],
      requestTags: {},
      tagKeys: [],
      encryptionContext: {},
      parameters: this.input.raw,
      ...more,
    })
  }

  /** The key that the request names: found, allowed, and in a state that fits. */
  key({ parameter = 'KeyId', states, byAlias = false, access = {} }: KeyQuery = {}): FoundKey {
    return this.keyNamed(this.input.text(parameter), { byAlias, access, ...(states ? { states } : {}) })
  }

  keyNamed(name: string, { states, byAlias = false, access = {} }: Omit<KeyQuery, 'parameter'>): FoundKey {
    const { realm, key } = this.#resolve(name, byAlias)
    const facts = key.facts.seen(this.view)
    if (!facts) throw notFound(`Key '${key.arn}' does not exist`)
    this.authoriseKey(realm, key, access)
    if (states && !states.includes(facts.state)) throw wrongState(key.arn, facts.state)
    return { key, facts }
  }

  authoriseKey(realm: Realm, key: StoredKey, access: Partial<AccessRequest>): void {
    const seen = this.service.views.authorisation(this.moment)
    this.authorise(key.arn, {
      resourceAccount: key.account,
      resourceTags: key.facts.seen(seen)?.tags ?? {},
      resourceAliases: realm.aliases(seen).flatMap(({ name, target }) => (target === key.id ? [name] : [])),
      ...access,
    })
  }

  change(key: StoredKey, changes: (facts: KeyFacts) => KeyFacts): KeyFacts {
    return this.service.realm(key.account, key.region).change(key, this.moment, changes)
  }

  #viewOf(kind: Operation['kind']): View {
    const { views } = this.service
    if (kind === 'read') return views.read(this.moment)
    return kind === 'use' ? views.use(this.moment) : TRUTH
  }

  #resolve(name: string, byAlias: boolean): { realm: Realm; key: StoredKey } {
    if (!name.startsWith('arn:')) return this.#within(this.realm, name, byAlias)
    const [, region, account, resource] = ARN.exec(name) ?? []
    if (!region || !account || !resource) throw new KmsError('InvalidArnException', `Invalid arn ${name}`)
    if (region !== this.#region) throw notFound(`Invalid arn ${region}`)
    const plain = resource.startsWith('key/') ? resource.slice('key/'.length) : resource
    return this.#within(this.service.realm(account, region), plain, byAlias)
  }

  #within(realm: Realm, name: string, byAlias: boolean): { realm: Realm; key: StoredKey } {
    if (name.startsWith('alias/') && byAlias) {
      this.#aliasView ??= this.#kind === 'read' ? this.view : this.service.views.read(this.moment)
      const alias = realm.alias(name, this.#aliasView)
      if (!alias) throw notFound(`Alias ${realm.arnOf(name)} is not found.`)
      return { realm, key: realm.key(alias.target, this.view) }
    }
    if (!UUID.test(name)) throw notFound(`Invalid keyId '${name}'`)
    return { realm, key: realm.key(name, this.view) }
  }
}

function wrongState(arn: string, state: KeyState): KmsError {
  if (state === 'Disabled') return new KmsError('DisabledException', `${arn} is disabled.`)
  return invalidState(arn, state === 'PendingDeletion' ? 'pending deletion' : 'not pending deletion')
}
