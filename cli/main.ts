#!/usr/bin/env node
import { openSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { CliError } from './errors.ts'
import type { Io, Sink, Terminal } from './io.ts'
import { run } from './run.ts'
import { createTerminal } from './terminal.ts'

const interrupted = new AbortController()
let stopping: AbortController | undefined
process.once('SIGINT', () => {
  // A second one ends the process at once.
  if (stopping) return stopping.abort()
  const advice = 'Whether a change was made is open: look, or run the command again'
  interrupted.abort(new CliError('interrupted', 'interrupted', { advice }))
})

function sinkOf(stream: NodeJS.WriteStream): Sink {
  let isGone = false
  // Without a listener, a reader that went away (head, less) would crash the process in the middle of its work.
  stream.on('error', () => {
    isGone = true
  })
  return {
    isTTY: stream.isTTY,
    columns: stream.columns,
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (isGone) return resolve()
        stream.write(chunk, (error) => {
          if (!error || ('code' in error && error.code === 'EPIPE')) resolve()
          else
            reject(
              new CliError('unavailable', 'the output cannot be written', {
                cause: error,
                advice: 'Check the disk',
              }),
            )
        })
      }),
  }
}

/** Only what knows how to stop in order listens: everything else may be killed at any moment, and is. */
function stopSignal(): AbortSignal {
  if (!stopping) {
    const controller = new AbortController()
    process.once('SIGTERM', () => controller.abort())
    stopping = controller
  }
  return stopping.signal
}

/** Where stdin carries data, the person is still at the terminal that the process belongs to. */
function openTerminal(stderr: Sink): Terminal | undefined {
  if (!stderr.isTTY) return undefined
  const show = (text: string): Promise<void> => stderr.write(text)
  if (process.stdin.isTTY) return createTerminal(process.stdin, show)
  try {
    const keyboard = new ReadStream(openSync('/dev/tty', 'r'))
    return createTerminal(keyboard, show, () => keyboard.destroy())
  } catch {
    return undefined
  }
}

const stderr = sinkOf(process.stderr)
const io: Io = {
  stdin: process.stdin,
  stdout: sinkOf(process.stdout),
  stderr,
  env: process.env,
  cwd: process.cwd(),
  now: Date.now,
  signal: interrupted.signal,
  stopSignal,
  openTerminal: () => openTerminal(stderr),
}

// Everything that was to be written is written. What was given up may still be waiting, for stdin for instance.
run(process.argv.slice(2), io).then((code) => process.exit(code))
