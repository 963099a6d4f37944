import { createSecretKey, type KeyObject, randomBytes, scrypt } from 'node:crypto'
import { BackendError, ConfigurationError, InvalidInputError } from '../../errors.ts'
import { decodeBase64url, encodeBase64url } from '../../key/base64url.ts'
import { checkMembers, type JsonObject, stringMember } from '../../key/strict-json.ts'
import { unwrapContentKey, wrapContentKey } from '../../material/content-key.ts'
import { MASTER_KEY_BYTES } from './derive.ts'

const LEAST_CHARACTERS = 8
const A256KW = { alg: 'A256KW' } as const

// About 128 MiB and a third of a second: OWASP's advice for scrypt (N = 2^17, r = 8, p = 1).
const COST = { N: 2 ** 17, r: 8, p: 1 }
// A record that asks for more is not one of ours; refusing it keeps a hostile store from exhausting the memory.
const MOST = { N: 2 ** 20, r: 16, p: 4 }

/** Protects a master key by a passphrase. What it returns stands in the environment's log; it is not secret. */
export async function protectByPassphrase(masterKey: KeyObject, passphrase: string): Promise<JsonObject> {
  const salt = randomBytes(16)
  const key = await stretch(passphrase, salt, COST)
  const { encryptedKey } = wrapContentKey(A256KW, key, masterKey.export())
  return {
    kind: 'passphrase',
    kdf: 'scrypt',
    ...COST,
    salt: encodeBase64url(salt),
    masterKey: encodeBase64url(encryptedKey),
  }
}

/**
 * @throws BackendError `denied` for a wrong passphrase
 * @throws ConfigurationError for a record that is not one of ours
 */
export async function openByPassphrase(protection: JsonObject, passphrase: string): Promise<KeyObject> {
  const object = checkMembers(protection, 'the protection', [
    'kind',
    'kdf',
    'N',
    'r',
    'p',
    'salt',
    'masterKey',
  ])
  if (object.kdf !== 'scrypt')
    throw new ConfigurationError(`the key derivation ${String(object.kdf)} is unknown`)
  const cost = { N: bounded(object, 'N'), r: bounded(object, 'r'), p: bounded(object, 'p') }
  const key = await stretch(passphrase, decodeBase64url(stringMember(object, 'salt')), cost)
  const encryptedKey = decodeBase64url(stringMember(object, 'masterKey'))
  try {
    return createSecretKey(unwrapContentKey(A256KW, key, { encryptedKey }))
  } catch {
    throw new BackendError('denied', 'the passphrase is wrong', {
      advice: 'Give the passphrase of this environment',
    })
  }
}

/** Refuses a passphrase that is too short to protect anything. @throws InvalidInputError */
export function checkPassphrase(passphrase: string): void {
  if ([...passphrase].length < LEAST_CHARACTERS) {
    throw new InvalidInputError(`a passphrase of less than ${LEAST_CHARACTERS} characters is refused`, {
      advice: 'Use several random words',
    })
  }
}

function stretch(passphrase: string, salt: Uint8Array, cost: typeof COST): Promise<KeyObject> {
  const { N, r, p } = cost
  // The same passphrase typed on another system may be composed differently.
  const normalized = passphrase.normalize('NFC')
  return new Promise((resolve, reject) => {
    scrypt(normalized, salt, MASTER_KEY_BYTES, { N, r, p, maxmem: 128 * N * r * 2 }, (error, key) =>
      error ? reject(error) : resolve(createSecretKey(key)),
    )
  })
}

function bounded(object: JsonObject, member: keyof typeof MOST): number {
  const value = object[member]
  const isPower = member !== 'N' || (typeof value === 'number' && Number.isInteger(Math.log2(value)))
  if (
    typeof value !== 'number' ||
    !Number.isInteger(value) ||
    value < 1 ||
    value > MOST[member] ||
    !isPower
  ) {
    throw new ConfigurationError(`the scrypt parameter ${member} is refused`, {
      advice: `Keyturn reads at most ${MOST[member]}`,
    })
  }
  return value
}
