import type { Sink } from './io.ts'
import { printableJsonText } from './render.ts'

const FLUSH_MS = 100
const FULL_CHARS = 65_536
/** What may wait for a reader that is slow. Beyond it lines are dropped, and counted. */
const MAX_WAITING_CHARS = 4_194_304

/** Writes events as lines of JSON, many at a time: a write for each of many thousands a second would cost more than they do. */
export class JsonLog {
  readonly #sink: Sink
  readonly #now: () => number
  #lines = ''
  #dropped = 0
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** The time as it was written last: many lines are of one millisecond. */
  #stamp = { now: Number.NaN, text: '' }

  constructor(sink: Sink, now: () => number) {
    this.#sink = sink
    this.#now = now
  }

  write(event: string, facts: object): void {
    if (this.#lines.length > MAX_WAITING_CHARS) {
      this.#dropped++
      return
    }
    this.#lines += this.#lineOf(event, facts)
    if (this.#lines.length >= FULL_CHARS) void this.flush()
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref()
  }

  /** Resolves when everything so far is on its way. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#writing) await this.#writing
    if (this.#dropped > 0) {
      const dropped = this.#dropped
      this.#dropped = 0
      this.#lines += this.#lineOf('dropped', { lines: dropped })
    }
    const lines = printableJsonText(this.#lines)
    if (lines === '') return
    this.#lines = ''
    // A log that cannot be written must not stop the server.
    const write = this.#sink.write(lines).catch(() => undefined)
    this.#writing = write.then(() => {
      this.#writing = undefined
    })
    await this.#writing
  }

  #lineOf(event: string, facts: object): string {
    const now = this.#now()
    if (now !== this.#stamp.now) this.#stamp = { now, text: new Date(now).toISOString() }
    const members = JSON.stringify(facts).slice(1, -1)
    return `{"time":"${this.#stamp.text}","event":"${event}"${members === '' ? '' : ','}${members}}\n`
  }
}
