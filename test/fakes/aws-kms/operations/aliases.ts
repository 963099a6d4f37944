import type { Call, Operation, Output } from '../call.ts'
import { KmsError, notFound, violates } from '../errors.ts'
import { TRUTH } from '../history.ts'
import { pageOf } from '../page.ts'
import type { Alias, StoredKey } from '../realm.ts'
import { kindOf } from '../specs.ts'
import { seconds } from './metadata.ts'

/** Source: API reference, CreateAlias. */
function readAliasName(call: Call): string {
  const name = call.input.text('AliasName')
  if (name.length > 256) throw violates('AliasName', name, 'have length less than or equal to 256')
  if (!name.startsWith('alias/')) {
    throw new KmsError('ValidationException', 'Alias must start with the prefix "alias/".')
  }
  if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(name)) {
    throw violates('AliasName', name, 'satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$')
  }
  if (name.startsWith('alias/aws/')) {
    throw new KmsError('NotAuthorizedException', 'The alias/aws/ prefix is reserved for AWS managed keys')
  }
  return name
}

function existing(call: Call, name: string): Alias {
  const alias = call.realm.alias(name, TRUTH)
  if (!alias) throw notFound(`Alias ${call.realm.arnOf(name)} is not found.`)
  return alias
}

function authoriseAlias(call: Call, name: string): void {
  call.authorise(call.realm.arnOf(name), { resourceAccount: call.realm.account })
}

function createAlias(call: Call): Output {
  const name = readAliasName(call)
  authoriseAlias(call, name)
  const { key } = call.key({ parameter: 'TargetKeyId', states: ['Enabled', 'Disabled'] })
  if (call.realm.alias(name, TRUTH)) {
    const arn = call.realm.arnOf(name)
    throw new KmsError('AlreadyExistsException', `An alias with the name ${arn} already exists`)
  }
  call.realm.setAlias(name, call.moment, { target: key.id, createdAt: call.now, updatedAt: call.now })
  return {}
}

function updateAlias(call: Call): Output {
  const name = readAliasName(call)
  authoriseAlias(call, name)
  const alias = existing(call, name)
  const old = call.realm.key(alias.target, TRUTH)
  call.authoriseKey(call.realm, old, {})
  const { key } = call.key({ parameter: 'TargetKeyId', states: ['Enabled', 'Disabled'] })
  checkSameKind(old, key)
  call.realm.setAlias(name, call.moment, { ...alias, target: key.id, updatedAt: call.now })
  return {}
}

function checkSameKind(old: StoredKey, next: StoredKey): void {
  if (kindOf(old.specName) !== kindOf(next.specName)) {
    throw new KmsError(
      'ValidationException',
      `Alias cannot be changed from ${old.arn} to a key of another type`,
    )
  }
  if (old.usage !== next.usage) {
    throw new KmsError('ValidationException', `Alias cannot be changed from ${old.usage} to ${next.usage}`)
  }
}

function deleteAlias(call: Call): Output {
  const name = readAliasName(call)
  authoriseAlias(call, name)
  const alias = existing(call, name)
  call.authoriseKey(call.realm, call.realm.key(alias.target, TRUTH), {})
  call.realm.setAlias(name, call.moment, undefined)
  return {}
}

function listAliases(call: Call): Output {
  const { input, realm, view } = call
  const target = input.optionalText('KeyId') === undefined ? undefined : call.key().key.id
  if (target === undefined) call.authorise('*')
  const all = realm.aliases(view).filter((alias) => target === undefined || alias.target === target)
  const { items, rest } = pageOf(input, all, ({ name }) => name, { limit: 50, most: 100 })
  return {
    Aliases: items.map(({ name, target: TargetKeyId, createdAt, updatedAt }) => ({
      AliasName: name,
      AliasArn: realm.arnOf(name),
      TargetKeyId,
      CreationDate: seconds(createdAt),
      LastUpdatedDate: seconds(updatedAt),
    })),
    ...rest,
  }
}

export const ALIAS_OPERATIONS: Readonly<Record<string, Operation>> = {
  CreateAlias: { kind: 'change', run: createAlias },
  UpdateAlias: { kind: 'change', run: updateAlias },
  DeleteAlias: { kind: 'change', run: deleteAlias },
  ListAliases: { kind: 'read', run: listAliases },
}
