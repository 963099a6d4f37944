import { connect, type Socket } from 'node:net'

/** What came of a load. */
export interface Load {
  readonly requests: number
  /** Answers other than the expected one, and connections that broke in the middle of a request. */
  readonly errors: number
  /** Milliseconds of each request, unsorted. */
  readonly latencies: readonly number[]
  readonly seconds: number
}

/** Keeps asking on so many connections, one request at a time on each, for so long. */
export async function loadFor(port: number, path: string, connections: number, ms: number): Promise<Load> {
  const until = performance.now() + ms
  return load(port, path, connections, () => performance.now() < until)
}

/** Keeps asking on so many connections until each was told to close. */
export function loadUntilClosed(port: number, path: string, connections: number): Promise<Load> {
  return load(port, path, connections, () => true)
}

async function load(port: number, path: string, connections: number, goesOn: () => boolean): Promise<Load> {
  const latencies: number[] = []
  const started = performance.now()
  const clients = Array.from({ length: connections }, () => new Client(port, path, goesOn, latencies).run())
  const errors = (await Promise.all(clients)).reduce((sum, one) => sum + one, 0)
  return { requests: latencies.length, errors, latencies, seconds: (performance.now() - started) / 1000 }
}

/** Reads just enough of an answer to know where it ends, so that the load costs less than the server. */
class Client {
  readonly #socket: Socket
  readonly #request: Buffer
  readonly #goesOn: () => boolean
  readonly #latencies: number[]
  #waiting: Buffer = Buffer.alloc(0)
  #sentAt = 0
  #isPending = false

  constructor(port: number, path: string, goesOn: () => boolean, latencies: number[]) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    this.#goesOn = goesOn
    this.#latencies = latencies
  }

  /** Resolves to the number of errors: 0 or 1. */
  run(): Promise<number> {
    return new Promise((resolve) => {
      const socket = this.#socket
      socket.on('connect', () => this.#send())
      socket.on('data', (chunk) => {
        if (!this.#take(chunk)) socket.destroy()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(Number(this.#isPending)))
    })
  }

  #send(): void {
    this.#sentAt = performance.now()
    this.#isPending = true
    this.#socket.write(this.#request)
  }

  /** Whether to go on. */
  #take(chunk: Buffer): boolean {
    const answer = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk])
    const end = answer.indexOf('\r\n\r\n')
    const head = answer.subarray(0, end).toString('latin1')
    const [, length] = /\r\nContent-Length: (\d+)/i.exec(head) ?? []
    if (end === -1 || answer.length < end + 4 + Number(length)) {
      this.#waiting = answer
      return true
    }
    this.#waiting = Buffer.alloc(0)
    if (!head.startsWith('HTTP/1.1 200 ')) return false
    this.#isPending = false
    this.#latencies.push(performance.now() - this.#sentAt)
    if (/\r\nConnection: close/i.test(head) || !this.#goesOn()) return false
    this.#send()
    return true
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
