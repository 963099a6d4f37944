import { type Stats, statSync } from 'node:fs'
import { ConfigurationError, InvalidInputError, KeyturnError, loadLocalBackend } from '../src/index.ts'
import type { Context } from './context.ts'
import { CliError, fileError } from './errors.ts'
import { readAll } from './input.ts'
import { openInput } from './open-input.ts'

const MAX_PASSPHRASE_BYTES = 4_096

/** How the file of an environment's passphrase is named. */
const FLAG = '--passphrase-file or KEYTURN_PASSPHRASE_FILE'

/** A passphrase from a file, from stdin (`-`), or from the person at the terminal where there is no file. */
export async function readPassphrase(
  context: Context,
  whose: string,
  path: string | undefined,
  flag: string = FLAG,
): Promise<string> {
  if (path !== undefined && (path !== '-' || !context.io.stdin.isTTY))
    return readPassphraseFile(context, path)
  const [passphrase] = await askPassphrase(context, [`Passphrase of ${whose}: `], flag)
  return passphrase ?? ''
}

/** A new passphrase; a person is asked twice. @throws InvalidInputError when it is too short, or the two differ */
export async function readNewPassphrase(
  context: Context,
  whose: string,
  path: string | undefined,
  flag: string = FLAG,
): Promise<string> {
  const { checkPassphrase } = await loadLocalBackend()
  if (path !== undefined && (path !== '-' || !context.io.stdin.isTTY)) {
    const passphrase = await readPassphraseFile(context, path)
    checkPassphrase(passphrase)
    return passphrase
  }
  const questions = [`New passphrase of ${whose}: `, 'The same again: ']
  const [passphrase = '', again] = await askPassphrase(context, questions, flag, checkPassphrase)
  if (passphrase !== again) {
    throw new InvalidInputError('the two passphrases are not the same', { advice: 'Run the command again' })
  }
  return passphrase
}

async function readPassphraseFile(context: Context, path: string): Promise<string> {
  const bytes = await readPassphraseBytes(context, path)
  // Editors end a file with a newline that nobody typed as part of the passphrase.
  const passphrase = bytes.toString('utf8').replace(/\r?\n$/, '')
  if (passphrase === '')
    throw new InvalidInputError('the passphrase is empty', { advice: 'Check where it comes from' })
  return passphrase
}

async function readPassphraseBytes(context: Context, path: string): Promise<Buffer> {
  if (path === '-') return readAll(context.takeStdin('passphrase'), MAX_PASSPHRASE_BYTES, 'the passphrase')
  if (!isPipe(path)) return (await loadLocalBackend()).readSecretFile(path)
  try {
    const input = await openInput(path, context.signal, (stats) => checkPipe(path, stats))
    return await readAll(input, MAX_PASSPHRASE_BYTES, path)
  } catch (error) {
    throw error instanceof KeyturnError ? error : fileError('read', path, error)
  }
}

/** What `<(command)` stands for, for instance. */
export function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO()
  } catch {
    // Reading it tells why not.
    return false
  }
}

/** Whoever may open the pipe could take the passphrase out of it, or give another. */
function checkPipe(path: string, { uid, mode }: Stats): void {
  const user = process.geteuid?.()
  if (user === undefined || ((uid === user || uid === 0) && (mode & 0o077) === 0)) return
  throw new ConfigurationError(`${path} is a pipe that others may open`, {
    advice: `Run: chmod 0600 ${path}`,
  })
}

/** @param check of the first answer, so that nobody types a passphrase twice that is refused */
async function askPassphrase(
  context: Context,
  questions: readonly string[],
  flag: string,
  check: (first: string) => void = () => undefined,
): Promise<readonly string[]> {
  const terminal = context.io.openTerminal()
  if (!terminal) {
    throw new CliError('denied', 'the passphrase is needed, and there is no terminal to ask at', {
      advice: `Name its file with ${flag}`,
    })
  }
  try {
    const answers: string[] = []
    for (const question of questions) {
      answers.push(await terminal.askSecret(question))
      if (answers.length === 1) check(answers[0] ?? '')
    }
    return answers
  } finally {
    terminal.close()
  }
}
