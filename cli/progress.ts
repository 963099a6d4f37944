import type { Context } from './context.ts'

/** How far a long run is, on one line of the terminal that is overwritten. Says nothing where there is no terminal. */
export interface Progress {
  show(done: number, total: number): void
  /** Takes the line away, so that what follows starts on an empty one. */
  clear(): Promise<void>
}

const ERASE_LINE = '\r\u001b[K'

export function createProgress({ io }: Context, what: string): Progress {
  const isShown = io.stderr.isTTY && io.env.TERM !== 'dumb'
  let last: Promise<void> = Promise.resolve()
  const write = (text: string): void => {
    // In order, and never in the way of the work itself: a terminal that cannot be written to shows nothing.
    if (isShown) last = last.then(() => io.stderr.write(`${ERASE_LINE}${text}`)).catch(() => undefined)
  }
  return {
    show: (done, total) => write(`${done} of ${total} ${what}`),
    clear: async () => {
      write('')
      await last
    },
  }
}
