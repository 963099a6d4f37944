import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { commonOptions } from '../../cli/command.ts'
import { ALGORITHMS } from '../../cli/commands/algorithms.ts'
import { commands, nouns } from '../../cli/commands/index.ts'
import { ENCRYPT_ALGS, KMS_WRAP, SIGN_ALGS } from '../../src/index.ts'
import { createWorld } from './support.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Every file of ours that is evaluated when one is, without what it imports lazily. */
function evaluatedBy(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const text = readFileSync(join(ROOT, file), 'utf8')
  for (const [, isType, target = ''] of text.matchAll(/^(?:import|export)( type)? .*?from '(\.[^']+)'/gms)) {
    if (!isType) evaluatedBy(relative(ROOT, join(ROOT, dirname(file), target)), seen)
  }
  return seen
}

describe('help and completion', () => {
  it('do not load the library', () => {
    const files = [...evaluatedBy('cli/main.ts'), ...evaluatedBy('cli/actions/completion.ts')]
    expect(files).toContain('cli/commands/token.ts')
    expect(files.filter((file) => file.startsWith('src/'))).toEqual([])
  })

  it('are looked at closely enough to notice if they did', () => {
    expect([...evaluatedBy('cli/actions/token.ts')]).toContain('src/keyring/keyring.ts')
  })

  it('evaluate few modules', () => {
    expect(evaluatedBy('cli/main.ts').size).toBeLessThan(32)
  })

  it('are the only work of cli/run.ts with yargs', () => {
    const files = readdirSync(join(ROOT, 'cli'), { recursive: true }).map(String)
    const touching = files.filter(
      (name) => name.endsWith('.ts') && /from 'yargs/.test(readFileSync(join(ROOT, 'cli', name), 'utf8')),
    )
    expect(touching).toEqual(['run.ts'])
  })
})

describe('every command', () => {
  const named = commands.map((command) => [command.path.join(' '), command] as const)

  it.each(named)('%s has help, with its options and an example', async (name, { options, examples }) => {
    const world = createWorld()
    const { stdout, stderr } = await world.done(`${name} --help`)
    world.close()
    expect(stderr).toBe('')
    for (const option of Object.keys({ ...options, ...commonOptions }))
      expect(stdout).toContain(`--${option}`)
    expect(examples?.length).toBeGreaterThan(0)
  })

  it.each(named)('%s loads its work', async (_, { load }) => {
    expect(typeof (await load())).toBe('function')
  })

  it('that has two words has a noun with a description', () => {
    const used = new Set(commands.filter(({ path }) => path.length === 2).map(({ path }) => path[0]))
    expect([...used].sort()).toEqual(Object.keys(nouns).sort())
  })

  it('takes no secret as a value', () => {
    for (const { options } of commands) {
      // What is completed with the names of keys takes the name of one.
      const others = Object.entries(options).filter(([, { value }]) => value !== 'key')
      for (const [name] of others) expect(name).not.toMatch(/^(passphrase|password|secret|master-key|key)$/)
    }
  })
})

it('offers the algorithms that the library has', () => {
  const known = [...SIGN_ALGS, ...ENCRYPT_ALGS].filter((alg) => alg !== KMS_WRAP)
  expect([...ALGORITHMS].sort()).toEqual([...known].sort())
})

describe('a mistyped command line', () => {
  it.each([
    ['kye list', 'there is no command "kye". Did you mean keyturn key?'],
    ['key crate sign/x', 'there is no command "key crate". Did you mean keyturn key create?'],
    ['-e production key lisd', 'there is no command "key lisd". Did you mean keyturn key list?'],
    ['rotate x --emergancy', 'there is no option --emergancy here. Did you mean --emergency?'],
    ['key list -e production --claims {}', 'there is no option --claims here. Run keyturn key list --help.'],
    ['key show x --due', 'there is no option --due here. Run keyturn key show --help.'],
    ['key show x y', '"y" is one argument too many. Run keyturn key show --help.'],
    ['token sign x', '--claims is missing. Run keyturn token sign --help.'],
    ['completion fish', 'shell cannot be "fish". Use one of bash, zsh.'],
    ['key create x --content html', '--content cannot be "html". Use one of jwt, bytes.'],
    ['rotate x --reason', '--reason lacks its value. Write --reason VALUE.'],
    ['key', 'there is no command after key. Run keyturn key --help.'],
    ['', 'there is no command. Run keyturn --help.'],
    [
      '--get-yargs-completions key',
      'there is no option --get-yargs-completions here. Run keyturn key --help.',
    ],
    ['key list --__proto__ x', 'there is no option --__proto__ here. Run keyturn key list --help.'],
    ['key list --__proto__=x', 'there is no option --__proto__ here. Run keyturn key list --help.'],
    ['key list --_=x', 'there is no option --_ here. Run keyturn key list --help.'],
    ['rotate st --key=', 'there is no option --key here. Write the key by itself.'],
    ['rotate --key st', 'there is no option --key here. Write the key by itself.'],
    ['rotate st --key=other', 'there is no option --key here. Write the key by itself.'],
    [
      'rotate st --dry-run false',
      '--dry-run takes no value, and false follows it. Write --dry-run, or leave it out.',
    ],
    [
      'rotate --force true st',
      '--force takes no value, and true follows it. Write --force, or leave it out.',
    ],
    ['rotate st --help=false', '--help takes no value. Write --help, or leave it out.'],
    ['rotate st -h false', '-h takes no value, and false follows it. Write -h, or leave it out.'],
  ])('keyturn %s', async (line, message) => {
    const world = createWorld()
    const { code, stdout, stderr } = await world.keyturn(line)
    world.close()
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `keyturn: ${message}\n` })
  })
})
