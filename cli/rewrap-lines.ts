import {
  BackendError,
  DecryptionError,
  IntegrityError,
  InvalidInputError,
  inspectToken,
  type KeyturnError,
  PurposeMismatchError,
  type Rewrapper,
  TokenError,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { type Line, linesOf, withInput } from './lines.ts'
import { parseSealedLine, type SealedLineOptions } from './sealed-line.ts'
import type { Tally } from './tally.ts'

/** 64 MiB of data in base64url, and what may stand around it. */
const MAX_LINE_BYTES = 90 * 1024 * 1024
/** Records whose key a cloud is asked for at the same time. */
const AT_ONCE = 32
const PROGRESS_EVERY_MS = 2_000

type Write = (bytes: Uint8Array) => Promise<void>

/** What is done to each record, and with what. */
export interface RewrapJob {
  readonly options: SealedLineOptions
  readonly tally: Tally
  /** Undefined where records are only counted. */
  readonly rewrapper?: Rewrapper
  readonly acceptUnauthenticated: boolean
}

/** A line as it goes out, and why it is the one that came in where that is not as it should be. */
interface Done {
  readonly bytes: Buffer
  readonly failure?: KeyturnError
}

/** Takes every line of the input through the job, and writes them in their order. */
export async function rewrapInput(
  context: Context,
  args: Arguments,
  job: RewrapJob,
  write: Write,
): Promise<void> {
  const progress = createProgress(context)
  let badLine = 0
  let last = 0
  try {
    await withInput(context, args, 'records', async (input) => {
      for await (const arrived of linesOf(input, MAX_LINE_BYTES)) {
        for (let start = 0; start < arrived.length; start += AT_ONCE) {
          context.signal.throwIfAborted()
          const lines = arrived.slice(start, start + AT_ONCE)
          const done = await Promise.all(lines.map((line) => processLine(line, job)))
          await write(Buffer.concat(done.map(({ bytes }) => bytes)))
          for (const [index, { failure }] of done.entries()) {
            last = lines[index]?.number ?? last
            if (failure === undefined || last === badLine) continue
            badLine = last
            job.tally.failed++
            job.tally.records++
            await context.warn(`line ${last}: ${failure.message}`)
          }
          await progress(last)
        }
      }
    })
  } catch (error) {
    if (job.rewrapper && last > 0) await context.note(`Stopped after line ${last}.`)
    throw error
  }
}

async function processLine({ bytes, isWhole }: Line, job: RewrapJob): Promise<Done> {
  const { tally, rewrapper, acceptUnauthenticated } = job
  if (!isWhole) {
    tally.unattributed++
    return { bytes, failure: new InvalidInputError(`it is longer than ${MAX_LINE_BYTES} bytes`) }
  }
  let sealed: string | undefined
  try {
    const line = parseSealedLine(bytes, job.options)
    if (line === 'blank') return { bytes }
    if (line === 'empty') {
      tally.records++
      tally.empty++
      return { bytes }
    }
    sealed = line.sealed
    if (!rewrapper) {
      const number = requireNumber(sealed, tally)
      tally.records++
      tally.count(number, number)
      return { bytes }
    }
    const { context } = line
    const { from, to, changed, ...rest } = await rewrapper.rewrap(sealed, { context, acceptUnauthenticated })
    tally.records++
    tally.count(from.number, to.number)
    if (!changed) tally.unchanged++
    else tally.rewrapped++
    return { bytes: changed ? line.with(rest.sealed) : bytes }
  } catch (error) {
    if (!isAboutTheLine(error)) throw error
    const number = sealed === undefined ? undefined : numberOf(sealed, tally)
    if (number === undefined) tally.unattributed++
    else tally.count(number, number)
    return { bytes, failure: error }
  }
}

/** Anything else would go wrong with every line that follows, so that going on would help nobody. */
function isAboutTheLine(error: unknown): error is KeyturnError {
  if (error instanceof BackendError) return error.code === 'not-found' || error.code === 'invalid'
  return [TokenError, DecryptionError, InvalidInputError, PurposeMismatchError, IntegrityError].some(
    (one) => error instanceof one,
  )
}

/** What the header says; nothing is decrypted. @throws TokenError, PurposeMismatchError */
function requireNumber(sealed: string, tally: Tally): number {
  const { form, header } = inspectToken(sealed)
  if (form === 'signed') throw new PurposeMismatchError('it is signed (JWS), not encrypted (JWE)')
  const number = tally.numberOf(header.kid)
  if (number !== undefined) return number
  throw new TokenError('token-unknown-key', 'its kid names no version of the key')
}

function numberOf(sealed: string, tally: Tally): number | undefined {
  try {
    return requireNumber(sealed, tally)
  } catch {
    return undefined
  }
}

/** Says every now and then how far it is, where somebody watches. */
function createProgress(context: Context): (line: number) => Promise<void> {
  let saidAt = performance.now()
  return async (line) => {
    if (!context.io.stderr.isTTY || performance.now() - saidAt < PROGRESS_EVERY_MS) return
    saidAt = performance.now()
    await context.note(`${line} lines so far`)
  }
}
