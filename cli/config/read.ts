import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { ConfigurationError } from '../../src/index.ts'
import { fileError } from '../errors.ts'

const MAX_BYTES = 1024 * 1024

/** @throws ConfigurationError where there is none, or it is no regular file of at most 1 MiB; CliError when it cannot be read */
export function readConfigFile(file: string): Buffer {
  return readSmallFile(
    file,
    `there is no configuration ${file}`,
    'Run keyturn init, or name another one with --config',
  )
}

/** @throws as readConfigFile */
export function readKeyPolicy(file: string): string {
  const missing = `there is no key policy ${file}`
  return readSmallFile(file, missing, 'Mend keyPolicyFile in the configuration').toString('utf8')
}

function readSmallFile(file: string, missing: string, advice: string): Buffer {
  try {
    // Opening a pipe would wait for its other end otherwise, and nothing could interrupt that.
    const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      if (!fstatSync(descriptor).isFile()) throw new ConfigurationError(`${file} is not a regular file`)
      return readUpTo(MAX_BYTES, descriptor, file)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (error instanceof ConfigurationError) throw error
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new ConfigurationError(missing, { advice })
    }
    throw fileError('read', file, error)
  }
}

/** What a file says of its own size is not relied on. */
function readUpTo(most: number, descriptor: number, file: string): Buffer {
  const bytes = Buffer.alloc(most + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < bytes.length; length += read) {
    read = readSync(descriptor, bytes, length, bytes.length - length, null)
  }
  if (length <= most) return bytes.subarray(0, length)
  throw new ConfigurationError(`${file} is longer than ${most} bytes`, {
    advice: 'Check that it is the right file',
  })
}
