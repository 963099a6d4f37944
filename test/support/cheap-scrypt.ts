// Imported by tests of what passphrases do, and not of what they cost: a third of a second and 128 MiB for each guess are
// beside the point there. The result still depends on the passphrase, the salt and the cost that was asked for. What is
// built, and tested in processes of its own, pays the price.
import crypto, { type ScryptOptions } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

type Done = (error: Error | null, derived: Buffer) => void

const { scrypt } = crypto

crypto.scrypt = ((passphrase: string, salt: Uint8Array, length: number, cost: ScryptOptions, done: Done) => {
  const mixed = Buffer.concat([salt, Buffer.from(`${cost.N} ${cost.r} ${cost.p}`)])
  scrypt(passphrase, mixed, length, { N: 2 }, done)
}) as typeof crypto.scrypt
syncBuiltinESMExports()
