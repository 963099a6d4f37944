import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliError } from '../../cli/errors.ts'
import { EXIT, exitCodeOf } from '../../cli/exit-codes.ts'
import * as library from '../../src/index.ts'
import { createProduction, createStaging, createWorld, endless, type Input, type World } from './support.ts'

let world: World

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
  await world.done('key create encrypt/vault -e production')
})

afterAll(() => world.close())

async function ending(line: string, input?: Input): Promise<readonly [number, unknown]> {
  const outcome = await world.keyturn(`${line} --output json`, input)
  return [outcome.code, outcome.stdout === '' ? undefined : outcome.errorCode()]
}

describe('an exit code', () => {
  it('is 0 when it is done', async () => {
    expect(await ending('key list -e production')).toEqual([0, undefined])
  })

  it('is 1 for what nobody expected', async () => {
    const other = createWorld()
    await createProduction(other)
    Object.defineProperty(other, 'now', {
      get: () => {
        throw new RangeError('the sky fell')
      },
    })
    const outcome = await other.keyturn('key create sign/tokens -e production --output json')
    expect([outcome.code, outcome.errorCode()]).toEqual([1, 'unexpected'])
    expect(outcome.stderr).toContain('this is a mistake in keyturn: the sky fell')
    expect(outcome.stderr).toContain('Run it again with --debug')
    expect((await other.keyturn('key create sign/x -e production --debug')).stderr).toMatch(
      /RangeError[\s\S]*\n +at /,
    )
    other.close()
  })

  it.each([
    ['no command', ''],
    ['an unknown command', 'kez'],
    ['an unknown verb', 'key crate x'],
    ['an unknown option', 'key list --enviroment production'],
    ['rotate without a key', 'rotate -e production'],
    ['rotate --due of one key', 'rotate tokens --due -e production'],
    ['rotate --due in an emergency', 'rotate --due --emergency -e production'],
    ['rotate --due from an expected version', 'rotate --due --expect-version 1 -e production'],
    ['a confirmation of nothing', 'rotate --due --confirm production -e production'],
    ['rotate --due ahead by a bare number', 'rotate --due --ahead 7 -e production'],
    ['--ahead for one key', 'rotate tokens --ahead 1d -e production'],
    ['--destroy-expired for one key', 'rotate tokens --destroy-expired -e production'],
    ['a key where plan takes none', 'plan tokens -e production'],
    ['a key where a version is wanted', 'version suspend tokens -e production'],
    ['postponing without saying until when', 'version postpone tokens@1 -e production'],
    ['postponing by a length of time', 'version postpone tokens@1 -e production --until 7d'],
    ['--confirm where nothing stops', 'version resume tokens@1 -e production --confirm tokens'],
    ['a missing key', 'key show'],
    ['one argument too many', 'key show a b'],
    ['one argument too many after --', 'key show a -- b'],
    ['a missing option', 'token sign tokens'],
    ['a value that is no choice', 'key create sign/x --content html'],
    ['an option without its value', 'rotate tokens --expect-version'],
    ['an option twice', 'key list -e production -e staging'],
    ['a flag with a value, which would be taken for no', 'rotate tokens -e production --dry-run=yes'],
    ['a flag before a value, which would be taken for no', 'rotate tokens -e production --dry-run false'],
    ['a flag of every command before a value', 'rotate tokens -e production --debug true --dry-run'],
    ['a key as an option', 'rotate tokens -e production --key= --dry-run'],
    ['a name in capitals', 'key show Tokens -e production'],
    ['a number that is none', 'rotate tokens -e production --expect-version 1e3'],
    ['a duration without a unit', 'key list -e production --timeout 30'],
    ['no audience', 'token verify tokens -e production'],
    ['claims that are no JSON', 'token sign tokens -e production --claims {a} --audience a --expires-in 5m'],
    ['a version where a key is wanted', 'rotate tokens@1 -e production'],
    ['a JWKS by plain HTTP', 'token verify --jwks http://x/jwks.json --issuer i --audience a'],
    ['a context without a value', 'data encrypt vault -e production --context table'],
    ['an algorithm parameter alone', 'key create sign/x -e production --modulus-bits 2048'],
  ])('is 2 for %s', async (_, line) => {
    expect(await ending(line)).toEqual([2, expect.stringMatching(/^(usage|invalid-input)$/)])
  })

  it('is 2 when a confirmation is needed', async () => {
    const emergency = 'rotate tokens -e production --emergency'
    expect(await ending(emergency)).toEqual([2, 'confirmation-needed'])
    expect(await ending(`${emergency} --confirm vault`)).toEqual([2, 'confirmation-needed'])
    expect(await ending('rotate tokens -e production --dry-run')).toEqual([0, undefined])
    for (const verb of ['suspend', 'compromise']) {
      expect(await ending(`version ${verb} tokens@1 -e production`)).toEqual([2, 'confirmation-needed'])
      expect(await ending(`version ${verb} tokens@1 -e production --dry-run`)).toEqual([0, undefined])
    }
    const destroying = 'rotate --due --destroy-expired -e production'
    expect(await ending(destroying)).toEqual([2, 'confirmation-needed'])
    expect(await ending(`${destroying} --confirm tokens`)).toEqual([2, 'confirmation-needed'])
    expect(await ending(`${destroying} --confirm production`)).toEqual([0, undefined])
  })

  it('is 3 for the configuration', async () => {
    expect(await ending('key list -e nowhere')).toEqual([3, 'configuration'])
  })

  it('is 4 when access is denied', async () => {
    await world.done('environment role-key -e production --purpose sign --out role.json')
    expect(await ending('rotate tokens -e production --role-key-file role.json')).toEqual([4, 'denied'])
    const suspend = 'version suspend tokens@1 -e production --confirm tokens'
    expect(await ending(`${suspend} --role-key-file role.json`)).toEqual([4, 'denied'])
  })

  it('is 5 for what is not there', async () => {
    expect(await ending('key show nothing -e production')).toEqual([5, 'not-found'])
    expect(await ending('key show tokens@9 -e production')).toEqual([5, 'not-found'])
    expect(await ending('version destroy tokens@9 -e production')).toEqual([5, 'not-found'])
    expect(await ending('token inspect --in nothing')).toEqual([5, 'not-found'])
  })

  it('is 6 for a conflict', async () => {
    expect(await ending('key create sign/tokens -e production')).toEqual([6, 'key-exists'])
    expect(await ending('rotate tokens -e production --expect-version 7')).toEqual([6, 'version-conflict'])
  })

  it('is 7 when there is no answer in time', async () => {
    const line = 'data encrypt vault -e production --timeout 1s'
    expect(await ending(line, { stdin: endless() })).toEqual([7, 'timeout'])
  })

  it('is 7 when the input breaks off', async () => {
    const stdin = new Readable({
      read() {
        this.destroy(Object.assign(new Error('read EIO'), { code: 'EIO' }))
      },
    })
    expect(await ending('token inspect', { stdin })).toEqual([7, 'unavailable'])
  })

  it('is 8 when it is partly done', async () => {
    await createStaging(world)
    await world.done('key create sign/good -e staging')
    await world.done('key create sign/bad -e staging')
    const log = world.path('keys/staging/sign/bad/log/000001.json')
    writeFileSync(log, readFileSync(log, 'utf8').replace('ES256', 'ES384'))
    const list = await world.keyturn('key list -e staging --output json')
    expect(list.code).toBe(8)
    expect(list.json()).toMatchObject({
      keys: [{ key: 'staging/sign/good' }],
      findings: [{ finding: 'unreadable', severity: 'error', subject: 'staging/sign/bad' }],
    })
    expect(list.stderr).toContain(log)
    expect(await ending('plan -e staging')).toEqual([8, undefined])
    expect(await ending('rotate --due -e staging')).toEqual([8, undefined])
    const jwks = await world.keyturn('jwks export -e staging --output json')
    expect(jwks.code).toBe(8)
    expect((jwks.json().jwks as { keys: unknown[] }).keys).toHaveLength(1)
    expect(await ending('key show bad -e staging')).toEqual([9, 'integrity'])
    expect(await ending('audit verify -e staging')).toEqual([10, undefined])
  })

  it('is 9 for what is refused', async () => {
    expect(await ending('token verify tokens -e production --audience a', { stdin: 'x' })).toEqual([
      9,
      'token-malformed',
    ])
    const claims = `'{"email":"ada@example.com"}'`
    const sign = `token sign tokens -e production --audience a --expires-in`
    expect(await ending(`${sign} 5m --claims ${claims}`)).toEqual([9, 'claims'])
    expect(await ending(`${sign} 2h --claims {}`)).toEqual([9, 'policy'])
    expect(await ending('version destroy tokens@1 -e production')).toEqual([9, 'state'])
    expect(await ending('version restore tokens@1 -e production')).toEqual([9, 'state'])
    expect(await ending('key create encrypt/x -e production --algorithm ES256')).toEqual([
      9,
      'unsupported-algorithm',
    ])
  })

  it('is 10 when changes are pending, and somebody asked', async () => {
    const other = createWorld()
    await createProduction(other)
    await other.done('key create sign/tokens -e production')
    expect((await other.keyturn('plan -e production --detailed-exitcode')).code).toBe(0)
    other.now += 90 * 86_400
    expect((await other.keyturn('plan -e production')).code).toBe(0)
    expect((await other.keyturn('plan -e production --detailed-exitcode')).code).toBe(10)
    await other.done('rotate --due -e production')
    expect((await other.keyturn('plan -e production --detailed-exitcode')).code).toBe(0)
    other.close()
  })

  it('is 10 when a check failed', async () => {
    const other = createWorld()
    await createProduction(other)
    await other.done('key create sign/tokens -e production')
    rmSync(join(other.folder, 'keys/production/sign/tokens'), { recursive: true })
    const outcome = await other.keyturn('audit verify -e production --output json')
    expect(outcome.code).toBe(10)
    expect(outcome.json()).toMatchObject({ intact: false, findings: [{ finding: 'rolled-back' }] })
    other.close()
  })

  it('is 130 when it is interrupted', async () => {
    const controller = new AbortController()
    const { signal } = controller
    setTimeout(() => controller.abort(new CliError('interrupted', 'interrupted')), 20)
    expect(await ending('data encrypt vault -e production', { signal, stdin: endless() })).toEqual([
      130,
      'interrupted',
    ])
  })
})

describe('the errors of the library', () => {
  const classes = (Object.values(library) as readonly unknown[]).filter(isErrorClass)
  const codes: Readonly<Record<string, readonly string[]>> = {
    BackendError: ['denied', 'throttled', 'unavailable', 'timeout', 'not-found', 'conflict', 'invalid'],
    TokenError: [
      'token-malformed',
      'token-too-large',
      'token-header',
      'token-algorithm',
      'token-type',
      'token-unknown-key',
      'token-key-state',
      'token-signature',
      'token-claims',
      'token-expired',
      'token-not-yet-valid',
    ],
  }

  it.each(classes.map((one) => [one.name, one] as const))('%s have a place', (name, ErrorClass) => {
    for (const code of codes[name] ?? ['anything']) {
      const error = new ErrorClass(code, 'what')
      // Only a mistake of ours uses what it has closed.
      if (error.code === 'closed') expect(exitCodeOf(error)).toBe(EXIT.unexpected)
      else expect(exitCodeOf(error), error.code).not.toBe(EXIT.unexpected)
    }
  })

  it('are all looked at', () => {
    expect(classes.length).toBeGreaterThan(18)
  })
})

type ErrorClass = new (first: string, second: string) => library.KeyturnError

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && value.prototype instanceof library.KeyturnError
}
