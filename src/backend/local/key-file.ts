import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError, EnvironmentMismatchError } from '../../errors.ts'
import { decodeBase64url } from '../../key/base64url.ts'
import { type PublicJwk, parsePublicJwk } from '../../key/jwk.ts'
import { type Purpose, parseEnvironment, parsePurpose } from '../../key/ref.ts'
import { type JsonObject, parseStrictJsonObject, stringMember } from '../../key/strict-json.ts'
import { isSameFile, makeFoldersNow, removeQuietly, syncFolderNow, writeDurablyNow } from '../log/durable.ts'
import { checkKeyFile } from '../log/permissions.ts'
import { errorCode, systemError } from '../log/system-errors.ts'
import { MASTER_KEY_BYTES } from './derive.ts'

const MASTER_FORMAT = 'keyturn-master-key/1'
const MAX_KEY_FILE_BYTES = 64 * 1024
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
  const masterKey = createSecretKey(randomBytes(MASTER_KEY_BYTES))
  return putMasterKeyFile(path, environment, masterKey) ? masterKey : readMasterKeyFile(path, environment)
}

/** Writes a master key that there is. @throws ConfigurationError when there is a file with another one */
export function writeMasterKeyFile(path: string, environment: string, masterKey: KeyObject): void {
  if (putMasterKeyFile(path, environment, masterKey)) return
  if (!readMasterKeyFile(path, environment).equals(masterKey)) throw existsAlready(path)
}

function putMasterKeyFile(path: string, environment: string, masterKey: KeyObject): boolean {
  return writeKeyFile(path, {
    format: MASTER_FORMAT,
    environment,
    masterKey: masterKey.export().toString('base64url'),
  })
}

/** @throws ConfigurationError, EnvironmentMismatchError */
export function readRoleKeyFile(path: string, environment: string): RoleKey {
  return parseKeyFile(path, ROLE_FORMAT, ['environment', 'purpose', 'wrappingKey', 'rootJwk'], (file) => {
    requireOwnEnvironment(path, file, environment)
    return {
      environment,
      purpose: parseOrSay('its purpose is malformed', () => parsePurpose(stringMember(file, 'purpose'))),
      wrappingKey: parseSecret(file, 'wrappingKey'),
      rootJwk: parseOrSay('its rootJwk is malformed', () => parsePublicJwk(file.rootJwk, { alg: 'Ed25519' })),
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
    rootJwk: role.rootJwk,
  })
  if (!created) throw existsAlready(path)
}

function existsAlready(path: string): ConfigurationError {
  return new ConfigurationError(`${resolve(path)} exists already, and is not overwritten`, {
    advice: 'Name another file, or remove this one first',
  })
}

/**
 * Reads a small secret file after checking who else could.
 *
 * @throws ConfigurationError, also for what is no regular file, or longer than 64 KiB; BackendError
 */
export function readSecretFile(path: string): Buffer {
  const file = resolve(path)
  let descriptor: number
  try {
    const stats = fs.lstatSync(file)
    if (stats.isSymbolicLink()) checkKeyFile(fs.realpathSync(file), fs.statSync(file))
    // Opening a pipe would wait for its other end otherwise, and nothing could interrupt that.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new ConfigurationError(`there is no file ${file}`, { advice: 'Name the file that holds the key' })
    }
    throw systemError('read', file, error)
  }
  try {
    try {
      checkKeyFile(file, fs.fstatSync(descriptor))
      return readUpTo(MAX_KEY_FILE_BYTES, descriptor, file)
    } finally {
      fs.closeSync(descriptor)
    }
  } catch (error) {
    throw systemError('read', file, error)
  }
}

/** What a file says of its own size is not relied on. @throws ConfigurationError */
function readUpTo(most: number, descriptor: number, file: string): Buffer {
  const bytes = Buffer.alloc(most + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < bytes.length; length += read) {
    read = fs.readSync(descriptor, bytes, length, bytes.length - length, null)
  }
  if (length <= most) return bytes.subarray(0, length)
  bytes.fill(0)
  throw new ConfigurationError(`${file} is longer than ${most} bytes`, {
    advice: 'Name the file that holds the key',
  })
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
    // Only the reply may have been lost.
    if (isSameFile(temporary, file)) return true
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** No message says what is in a key file: a secret may stand where something else belongs. */
function parseKeyFile<T>(
  path: string,
  format: string,
  members: readonly string[],
  parse: (file: JsonObject) => T,
): T {
  const bytes = readSecretFile(path)
  try {
    const known = ['format', ...members]
    const file = parseOrSay('it is not a JSON object', () => parseStrictJsonObject(bytes))
    const missing = known.find((member) => !Object.hasOwn(file, member))
    if (missing !== undefined) throw new ConfigurationError(`it lacks ${missing}`)
    if (Object.keys(file).length > known.length) {
      throw new ConfigurationError(`it has a member besides ${known.join(', ')}`)
    }
    if (file.format !== format) throw new ConfigurationError(`its format is not ${format}`)
    return parse(file)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    throw new ConfigurationError(`${resolve(path)} is refused: ${error.message}`)
  } finally {
    bytes.fill(0)
  }
}

/** Keeps to itself what exactly was wrong, since that may quote a value. @throws ConfigurationError */
function parseOrSay<T>(what: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw new ConfigurationError(what)
  }
}

function requireOwnEnvironment(path: string, file: JsonObject, environment: string): void {
  const owner = parseOrSay('its environment is malformed', () =>
    parseEnvironment(stringMember(file, 'environment')),
  )
  if (owner === environment) return
  throw new EnvironmentMismatchError(`${resolve(path)} is a key of another environment than ${environment}`, {
    advice: `Name the key file of ${environment}`,
  })
}

function parseSecret(file: JsonObject, member: string): KeyObject {
  const bytes = parseOrSay(`its ${member} is malformed`, () => decodeBase64url(stringMember(file, member)))
  try {
    if (bytes.length === MASTER_KEY_BYTES) return createSecretKey(bytes)
    throw new ConfigurationError(`its ${member} does not have ${MASTER_KEY_BYTES} bytes`)
  } finally {
    bytes.fill(0)
  }
}
