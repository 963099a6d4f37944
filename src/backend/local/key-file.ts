import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError, EnvironmentMismatchError, KeyturnError } from '../../errors.ts'
import { decodeBase64url } from '../../key/base64url.ts'
import { type PublicJwk, parsePublicJwk } from '../../key/jwk.ts'
import { type Purpose, parseEnvironment, parsePurpose } from '../../key/ref.ts'
import { checkMembers, type JsonObject, parseStrictJsonObject, stringMember } from '../../key/strict-json.ts'
import { makeFoldersNow, removeQuietly, syncFolderNow, writeDurablyNow } from '../log/durable.ts'
import { checkKeyFile } from '../log/permissions.ts'
import { errorCode, systemError } from '../log/system-errors.ts'
import { MASTER_KEY_BYTES } from './derive.ts'

const MASTER_FORMAT = 'keyturn-master-key/1'
const ROLE_FORMAT = 'keyturn-role-key/1'

/** What a role key file holds: one wrapping key, and the root's public key. */
export interface RoleKey {
  readonly environment: string
  readonly purpose: Purpose
  readonly wrappingKey: KeyObject
  readonly rootJwk: PublicJwk
}

/** @throws ConfigurationError, EnvironmentMismatchError when the file is another environment's */
export function readMasterKeyFile(path: string, environment: string): KeyObject {
  return parseKeyFile(path, MASTER_FORMAT, ['environment', 'masterKey'], (file) => {
    requireOwnEnvironment(path, file, environment)
    return parseSecret(file, 'masterKey')
  })
}

/** Writes a new master key, or reads the one that an interrupted attempt has written. Never overwrites. */
export function createMasterKeyFile(path: string, environment: string): KeyObject {
  const masterKey = randomBytes(MASTER_KEY_BYTES)
  const created = writeKeyFile(path, {
    format: MASTER_FORMAT,
    environment,
    masterKey: masterKey.toString('base64url'),
  })
  return created ? createSecretKey(masterKey) : readMasterKeyFile(path, environment)
}

/** @throws ConfigurationError, EnvironmentMismatchError */
export function readRoleKeyFile(path: string, environment: string): RoleKey {
  return parseKeyFile(path, ROLE_FORMAT, ['environment', 'purpose', 'wrappingKey', 'rootJwk'], (file) => {
    requireOwnEnvironment(path, file, environment)
    return {
      environment,
      purpose: parsePurpose(stringMember(file, 'purpose')),
      wrappingKey: parseSecret(file, 'wrappingKey'),
      rootJwk: parsePublicJwk(file.rootJwk, { alg: 'Ed25519' }),
    }
  })
}

/** @throws ConfigurationError when there is a file already */
export function writeRoleKeyFile(path: string, role: RoleKey): void {
  const created = writeKeyFile(path, {
    format: ROLE_FORMAT,
    environment: role.environment,
    purpose: role.purpose,
    wrappingKey: role.wrappingKey.export().toString('base64url'),
    rootJwk: role.rootJwk as unknown as JsonObject,
  })
  if (!created) {
    throw new ConfigurationError(`${resolve(path)} exists already, and is not overwritten`, {
      advice: 'Name another file, or remove this one first',
    })
  }
}

/** Reads a small secret file after checking who else could. @throws ConfigurationError */
export function readSecretFile(path: string): Buffer {
  const file = resolve(path)
  let descriptor: number
  try {
    const stats = fs.lstatSync(file)
    if (stats.isSymbolicLink()) checkKeyFile(fs.realpathSync(file), fs.statSync(file))
    descriptor = fs.openSync(file, fs.constants.O_RDONLY)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new ConfigurationError(`there is no file ${file}`, { advice: 'Name the file that holds the key' })
    }
    throw systemError('read', file, error)
  }
  try {
    try {
      checkKeyFile(file, fs.fstatSync(descriptor))
      return fs.readFileSync(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
  } catch (error) {
    throw systemError('read', file, error)
  }
}

/** Whether it wrote the file; false where there is one. Durable when it returns. */
function writeKeyFile(path: string, contents: JsonObject): boolean {
  const file = resolve(path)
  const temporary = join(dirname(file), `.tmp-${randomBytes(12).toString('hex')}`)
  try {
    makeFoldersNow(dirname(file), 0o700)
    writeDurablyNow(temporary, `${JSON.stringify(contents, null, 2)}\n`, 0o600)
    const created = linkNow(temporary, file)
    fs.unlinkSync(temporary)
    // Also where it was there: an interrupted attempt may not have come to this.
    syncFolderNow(dirname(file))
    return created
  } catch (error) {
    removeQuietly(temporary)
    throw systemError('write', file, error)
  }
}

function linkNow(temporary: string, file: string): boolean {
  try {
    fs.linkSync(temporary, file)
    return true
  } catch (error) {
    // A reply that got lost is settled by the link count.
    if (fs.lstatSync(temporary).nlink === 2) return true
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

function parseKeyFile<T>(
  path: string,
  format: string,
  members: readonly string[],
  parse: (file: JsonObject) => T,
): T {
  const bytes = readSecretFile(path)
  try {
    const file = checkMembers(parseStrictJsonObject(bytes), 'the file', ['format', ...members])
    if (file.format !== format) throw new ConfigurationError(`its format is not ${format}`)
    return parse(file)
  } catch (error) {
    if (error instanceof EnvironmentMismatchError) throw error
    throw new ConfigurationError(
      `${resolve(path)} is refused: ${error instanceof KeyturnError ? error.message : 'it cannot be read'}`,
    )
  }
}

function requireOwnEnvironment(path: string, file: JsonObject, environment: string): void {
  const owner = parseEnvironment(stringMember(file, 'environment'))
  if (owner === environment) return
  throw new EnvironmentMismatchError(
    `${resolve(path)} is a key of environment ${owner}, but this is ${environment}`,
    {
      advice: `Name the key file of ${environment}`,
    },
  )
}

function parseSecret(file: JsonObject, member: string): KeyObject {
  const bytes = decodeBase64url(stringMember(file, member))
  if (bytes.length !== MASTER_KEY_BYTES)
    throw new ConfigurationError(`${member} does not have ${MASTER_KEY_BYTES} bytes`)
  return createSecretKey(bytes)
}
