import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { say } from './narrate.ts'

export interface Shell {
  /** Runs `keyturn`, shows the command and what it says, and returns its standard output. */
  run(command: string, options?: { readonly stdin?: string }): string
  /** Runs a command that must be refused with this exit code. */
  refuse(command: string, exitCode: number, options?: { readonly stdin?: string }): void
}

const BIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

export function createShell(folder: string): Shell {
  const execute = (command: string, stdin: string | undefined, expected: number): string => {
    say(`$ keyturn ${command}`)
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...wordsOf(command)], {
      cwd: folder,
      encoding: 'utf8',
      input: stdin ?? '',
      env: { ...process.env, XDG_STATE_HOME: join(folder, 'state'), XDG_CONFIG_HOME: join(folder, 'config') },
    })
    for (const line of `${stderr}${stdout}`.trimEnd().split('\n')) say(`  ${line}`)
    if (expected !== 0) say(`  (exit code ${status})`)
    assert.equal(status, expected, `keyturn ${command}`)
    say('')
    return stdout
  }
  return {
    run: (command, options) => execute(command, options?.stdin, 0),
    refuse: (command, exitCode, options) => {
      execute(command, options?.stdin, exitCode)
    },
  }
}

/** Splits at blanks, but not within single quotes. */
function wordsOf(command: string): readonly string[] {
  return (command.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ''))
}
