import { usageError } from './errors.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** Reads `HOST:PORT`, an IPv6 address in brackets. @throws CliError `usage` */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535) {
    throw usageError(
      `${text} is no address to listen on`,
      'Write HOST:PORT, for instance 127.0.0.1:8080 or [::1]:8080',
    )
  }
  return { host, port }
}
