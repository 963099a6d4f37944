import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../cli/commands/index.ts'
import { WITHIN_LIMIT } from '../support/node-process.ts'
import { createWorld, environmentOf, type World } from './support.ts'

let world: World

beforeAll(async () => {
  world = createWorld()
  for (const shell of ['bash', 'zsh']) {
    writeFileSync(world.path(shell), (await world.done(`completion ${shell}`)).stdout)
  }
  // What the script asks for the names of keys: one that answers for the environment it is asked about.
  mkdirSync(world.path('bin'))
  writeFileSync(
    world.path('bin/keyturn'),
    '#!/bin/sh\n[ "$3 $4" = "--environment production" ] || exit 2\necho "KEY ALGORITHM"\necho "sign/tokens ES256"\necho "encrypt/vault A256KW"\n',
  )
  chmodSync(world.path('bin/keyturn'), 0o755)
})

afterAll(() => world.close())

/** What bash offers at the end of a line. */
function complete(...words: string[]): readonly string[] {
  const script = `
    source '${world.path('bash')}'
    COMP_WORDS=(keyturn ${words.map((word) => `'${word}'`).join(' ')})
    COMP_CWORD=${words.length}
    _keyturn
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    ...WITHIN_LIMIT,
    cwd: world.folder,
    encoding: 'utf8',
    env: { ...environmentOf(world.folder), PATH: `${world.path('bin')}:${process.env.PATH}` },
  })
  expect(stderr).toBe('')
  return stdout.split('\n').filter((line) => line !== '')
}

describe('the script for bash', () => {
  it('is one that bash accepts', () => {
    const { status, stderr } = spawnSync('bash', ['-n', world.path('bash')], {
      ...WITHIN_LIMIT,
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('completes nouns and verbs', () => {
    expect(complete('')).toEqual([...new Set(commands.map(({ path }) => path[0]))])
    expect(complete('k')).toEqual(['key'])
    expect(complete('key', '')).toEqual(['create', 'list', 'show', 'history', 'import', 'export', 'adopt'])
    expect(complete('-e', 'production', 'key', 'c')).toEqual(['create'])
  })

  it('completes options, of this command', () => {
    expect(complete('rotate', '--e')).toEqual(['--environment', '--emergency', '--expect-version'])
    expect(complete('token', 'inspect', '--')).not.toContain('--environment')
    expect(complete('key', 'show', 'sign/x', '--out')).toEqual(['--output'])
  })

  it('completes values', () => {
    expect(complete('key', 'create', '--content', '')).toEqual(['jwt', 'bytes'])
    expect(complete('key', 'create', '--algorithm', 'ES')).toEqual(['ES256', 'ES384', 'ES512'])
    expect(complete('completion', '')).toEqual(['bash', 'zsh'])
    expect(complete('token', 'inspect', '--in', 'ba')).toEqual(['bash'])
    expect(complete('key', 'list', '--reason', '')).toEqual([])
  })

  it('completes the names of keys, of the environment on the line', () => {
    expect(complete('key', 'show', '-e', 'production', '')).toEqual(['sign/tokens', 'encrypt/vault'])
    expect(complete('-e', 'production', 'rotate', 'sign')).toEqual(['sign/tokens'])
    expect(complete('token', 'decrypt', '-e', 'production', 'x', '--signed-by', 's')).toEqual(['sign/tokens'])
    expect(complete('key', 'show', '')).toEqual([])
  })
})

describe('the script for zsh', () => {
  it('has every command and every option', async () => {
    const { stdout } = await world.done('completion zsh')
    expect(stdout).toMatch(/^#compdef keyturn\n/)
    for (const { path, options } of commands) {
      expect(stdout).toContain(`'${path.join(' ')}')`)
      for (const name of Object.keys(options)) expect(stdout).toContain(`--${name}`)
    }
  })
})
