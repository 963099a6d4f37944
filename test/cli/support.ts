import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Sink, Terminal } from '../../cli/io.ts'
import { run } from '../../cli/run.ts'

/** What came of one command. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Stdout, which must be one JSON document. */
  json(): Record<string, unknown>
  /** The `error.code` of that document. */
  errorCode(): unknown
}

export interface Input {
  readonly stdin?: string | Uint8Array | Readable
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Whether stdout and stderr are a terminal. */
  readonly isTTY?: boolean
  /** What the person at the terminal answers, in order. Nobody is there unless given; then stdin is the terminal too. */
  readonly answers?: readonly string[]
  readonly signal?: AbortSignal
  /** Asks a command that runs until it is told to stop. */
  readonly stop?: AbortSignal
  /** Sees what is written to stdout as it is written. */
  readonly onStdout?: (text: string) => void
}

/** A temporary directory, and `keyturn` in it. Everything that a command would touch elsewhere is in it as well. */
export interface World {
  readonly folder: string
  /** Seconds since 1970; tests move it. */
  now: number
  path(name: string): string
  /** Runs a command line: words, with single quotes around those that hold blanks. */
  keyturn(line: string, input?: Input): Promise<Outcome>
  /** As keyturn, and throws unless the exit code is 0. */
  done(line: string, input?: Input): Promise<Outcome>
  close(): void
}

/** 2026-01-31T12:00:00Z */
export const NOON = 1_769_860_800

export function createWorld(): World {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-cli-'))
  const world: World = {
    folder,
    now: NOON,
    path: (name) => join(folder, name),
    keyturn: async (line, input = {}) => runLine(world, line, input),
    done: async (line, input = {}) => {
      const outcome = await runLine(world, line, input)
      if (outcome.code !== 0) throw new Error(`keyturn ${line} ended with ${outcome.code}: ${outcome.stderr}`)
      return outcome
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
  return world
}

/** A world with one environment. */
export async function createProduction(world: World): Promise<void> {
  await world.done('init -e production --store keys --master-key-file production.master-key.json')
}

export async function createStaging(world: World): Promise<void> {
  await world.done('init -e staging --store keys --master-key-file staging.master-key.json')
}

/** Variables that keep a process inside the folder. */
export function environmentOf(folder: string): Record<string, string> {
  return {
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CONFIG_HOME: join(folder, 'config'),
  }
}

export function wordsOf(line: string): readonly string[] {
  return (line.match(/(?:'[^']*'|\S)+/g) ?? []).map((word) => word.replaceAll("'", ''))
}

async function runLine(world: World, line: string, input: Input): Promise<Outcome> {
  const { stdin = '', env = {}, isTTY = false, answers } = input
  const stdout = collect(isTTY, input.onStdout)
  const stderr = collect(isTTY)
  const code = await run(wordsOf(line), {
    stdin: Object.assign(stdin instanceof Readable ? stdin : streamOf(stdin), {
      isTTY: stdin === '' && answers !== undefined,
    }),
    stdout,
    stderr,
    env: { ...environmentOf(world.folder), ...env },
    cwd: input.cwd ?? world.folder,
    now: () => world.now * 1000,
    signal: input.signal ?? new AbortController().signal,
    stopSignal: () => input.stop ?? new AbortController().signal,
    openTerminal: () => (answers ? scripted(answers, stderr) : undefined),
  })
  const json = (): Record<string, unknown> => JSON.parse(stdout.text())
  return {
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    json,
    errorCode: () => (json().error as { readonly code?: unknown } | undefined)?.code,
  }
}

/** A stream that nobody ever ends. */
export function endless(): Readable {
  return new Readable({ read: () => undefined })
}

function streamOf(data: string | Uint8Array): Readable {
  return Readable.from(data.length === 0 ? [] : [Buffer.from(data)])
}

function collect(isTTY: boolean, onText?: (text: string) => void): Sink & { text(): string } {
  const chunks: Buffer[] = []
  return {
    isTTY,
    write: async (chunk) => {
      chunks.push(Buffer.from(chunk))
      onText?.(String(chunk))
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  }
}

function scripted(answers: readonly string[], shown: Sink): Terminal {
  const left = [...answers]
  const ask = async (question: string): Promise<string> => {
    await shown.write(question)
    const answer = left.shift()
    if (answer === undefined) throw new Error(`nobody answers: ${question}`)
    return answer
  }
  return { ask, askSecret: ask, close: () => undefined }
}
