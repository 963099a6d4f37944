import { closeSync, constants, createReadStream, fstatSync, openSync, type Stats } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { isatty } from 'node:tty'

/**
 * Opens what the user named: a file, a pipe (also of `<(command)`), a device. Neither opening nor reading it keeps the process
 * from ending: a thread that waits for the other end of a pipe could not be interrupted.
 *
 * @param signal ends the stream
 * @param check of what was opened; may throw
 */
export async function openInput(
  path: string,
  signal: AbortSignal,
  check: (stats: Stats) => void = () => undefined,
): Promise<Readable> {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const stats = fstatSync(fd)
    check(stats)
    return addAbortSignal(
      signal,
      stats.isFIFO() || isatty(fd) ? await polled(fd) : createReadStream(path, { fd }),
    )
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

async function polled(fd: number): Promise<Readable> {
  if (isatty(fd)) return new (await import('node:tty')).ReadStream(fd)
  return new (await import('node:net')).Socket({ fd, readable: true, writable: false })
}
