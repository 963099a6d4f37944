import { StringDecoder } from 'node:string_decoder'
import type { ReadStream } from 'node:tty'
import { CliError } from './errors.ts'
import type { Terminal } from './io.ts'

/** What a terminal is made of; a `tty.ReadStream`, or a test's. */
export type Keyboard = Pick<ReadStream, 'on' | 'off' | 'pause' | 'resume'> & {
  setRawMode?(raw: boolean): unknown
}

const ENTER = new Set(['\r', '\n'])
const ERASE = new Set(['\b', '\u007f'])
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const CTRL_U = '\u0015'

/**
 * A person at a keyboard. Secrets are read in raw mode, so that the terminal does not show them; what is asked goes to
 * `show`, which must not be stdout.
 */
export function createTerminal(
  keyboard: Keyboard,
  show: (text: string) => Promise<void>,
  close: () => void = () => undefined,
): Terminal {
  // Typed, or pasted, ahead of the next question.
  let ahead = ''
  const decoder = new StringDecoder('utf8')

  const read = (isSecret: boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      let line = ''
      const finish = (settle: () => void): void => {
        keyboard.off('data', onData)
        keyboard.off('end', onEnd)
        if (isSecret) keyboard.setRawMode?.(false)
        keyboard.pause()
        settle()
      }
      const stop = (): void =>
        finish(() => reject(new CliError('interrupted', 'interrupted at the question')))
      const take = (text: string): boolean => {
        const characters = [...text]
        for (const [index, character] of characters.entries()) {
          if (ENTER.has(character)) {
            ahead = characters.slice(index + 1).join('')
            finish(() => resolve(line))
            return true
          }
          if (character === CTRL_C || (character === CTRL_D && line === '')) {
            stop()
            return true
          }
          if (ERASE.has(character)) line = [...line].slice(0, -1).join('')
          else if (character === CTRL_U) line = ''
          else if (character !== CTRL_D) line += character
        }
        return false
      }
      const onData = (chunk: Buffer | string): void => {
        take(typeof chunk === 'string' ? chunk : decoder.write(chunk))
      }
      const onEnd = (): void => stop()
      if (isSecret) keyboard.setRawMode?.(true)
      const typed = ahead
      ahead = ''
      if (take(typed)) return
      keyboard.on('data', onData)
      keyboard.on('end', onEnd)
      keyboard.resume()
    })

  return {
    ask: async (question) => {
      await show(question)
      return read(false)
    },
    askSecret: async (question) => {
      await show(question)
      try {
        return await read(true)
      } finally {
        // The newline that was typed was not shown.
        await show('\n')
      }
    },
    close,
  }
}
