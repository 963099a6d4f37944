import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../cli/commands/index.ts'
import { createProduction, createStaging, createWorld, type World } from './support.ts'

let world: World

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await createStaging(world)
  for (const environment of ['production', 'staging']) {
    await world.done(`key create sign/tokens -e ${environment}`)
    await world.done(`key create encrypt/vault -e ${environment}`)
  }
  await world.done('key create sign/webhooks --content bytes -e production')
})

afterAll(() => world.close())

/** Every command that takes a key, with what else it needs, and the purpose that it implies. */
const CASES: Readonly<
  Record<string, { readonly rest: string; readonly use?: 'sign' | 'encrypt'; readonly stdin?: string }>
> = {
  'key create': { rest: '' },
  'key show': { rest: '' },
  'key history': { rest: '' },
  'key import': { rest: '' },
  'key export': { rest: '--public' },
  'key adopt': { rest: '--from alias/x' },
  rotate: { rest: '--dry-run' },
  'version postpone': { rest: '--until 2026-06-01T12:00:00Z' },
  'version suspend': { rest: '' },
  'version resume': { rest: '' },
  'version compromise': { rest: '' },
  'version destroy': { rest: '' },
  'version restore': { rest: '' },
  'audit log': { rest: '' },
  'jwks export': { rest: '', use: 'sign' },
  'jwks publish': { rest: '--to published.json', use: 'sign' },
  'token sign': { rest: '--claims {} --audience a --expires-in 5m', use: 'sign' },
  'token verify': { rest: '--audience a', use: 'sign', stdin: 'a.b.c' },
  'token encrypt': { rest: '--claims {} --audience a --expires-in 5m', use: 'encrypt' },
  'token decrypt': { rest: '--audience a', use: 'encrypt', stdin: 'a.b.c.d.e' },
  'data encrypt': { rest: '', use: 'encrypt', stdin: 'data' },
  'data decrypt': { rest: '', use: 'encrypt', stdin: 'a.b.c.d.e' },
  'data rewrap': { rest: '--out rewrapped', use: 'encrypt', stdin: 'a.b.c.d.e' },
}

const names = Object.keys(CASES)
const implying = names.filter((name) => CASES[name]?.use !== undefined)
const KEYS = { sign: 'sign/tokens', encrypt: 'encrypt/vault' } as const

async function refusal(line: string, stdin = ''): Promise<{ code: number; error: unknown; stdout: string }> {
  const outcome = await world.keyturn(`${line} --output json`, { stdin })
  return { code: outcome.code, error: outcome.errorCode(), stdout: outcome.stdout }
}

function line(name: string, key: string, more = ''): string {
  return `${name} ${key} ${CASES[name]?.rest} ${more}`
}

it('covers every command that takes a key', () => {
  const taking = commands.filter(({ positional }) => positional?.value === 'key')
  expect(names.sort()).toEqual(taking.map(({ path }) => path.join(' ')).sort())
})

describe('the environment wall', () => {
  for (const purpose of ['sign', 'encrypt'] as const) {
    it.each(names)(`keyturn %s refuses a ${purpose} key of another environment`, async (name) => {
      const key = `production/${KEYS[purpose]}`
      const { code, error } = await refusal(line(name, key, '-e staging'), CASES[name]?.stdin)
      expect({ code, error }).toEqual({ code: 9, error: 'environment-mismatch' })
    })
  }

  it.each(names)('keyturn %s looks at nothing before it refuses', async (name) => {
    const use = CASES[name]?.use ?? 'sign'
    const nowhere = '-e staging --store nowhere --master-key-file nothing'
    const { code, error } = await refusal(line(name, `production/${KEYS[use]}`, nowhere))
    expect({ code, error }).toEqual({ code: 9, error: 'environment-mismatch' })
  })

  it('also stands where the variable chose the environment', async () => {
    const outcome = await world.keyturn('key show production/sign/tokens --output json', {
      env: { KEYTURN_ENVIRONMENT: 'staging' },
    })
    expect({ code: outcome.code, error: outcome.errorCode() }).toEqual({
      code: 9,
      error: 'environment-mismatch',
    })
  })

  it('keeps every command on one version to its own environment', async () => {
    for (const verb of ['suspend', 'resume', 'compromise', 'destroy', 'restore']) {
      const { code, error } = await refusal(`version ${verb} production/sign/tokens@1 -e staging`)
      expect({ code, error }, verb).toEqual({ code: 9, error: 'environment-mismatch' })
    }
  })

  it('refuses a signer of another environment', async () => {
    const { code, error } = await refusal(
      'token encrypt vault -e production --signed-by staging/sign/tokens --claims {} --audience a --expires-in 5m',
    )
    expect({ code, error }).toEqual({ code: 9, error: 'environment-mismatch' })
  })

  it("refuses another environment's master key and role key", async () => {
    const { code, error } = await refusal(
      'rotate sign/tokens -e production --master-key-file staging.master-key.json',
    )
    expect({ code, error }).toEqual({ code: 9, error: 'environment-mismatch' })
  })

  it("refuses another environment's token", async () => {
    const { stdout } = await world.done(
      'token sign tokens -e production --claims {} --audience a --expires-in 5m',
    )
    const { code, error } = await refusal('token verify tokens -e staging --audience a', stdout)
    expect({ code, error }).toEqual({ code: 9, error: 'token-unknown-key' })
  })
})

describe('the purpose wall', () => {
  it.each(implying)('keyturn %s refuses a key of the other purpose, named in full', async (name) => {
    const other = CASES[name]?.use === 'sign' ? 'encrypt' : 'sign'
    const nowhere = '--store nowhere --master-key-file nothing'
    const { code, error } = await refusal(
      line(name, `production/${KEYS[other]}`, nowhere),
      CASES[name]?.stdin,
    )
    expect({ code, error }).toEqual({ code: 9, error: 'purpose-mismatch' })
  })

  it.each(implying)('keyturn %s refuses a bare name that only the other purpose has', async (name) => {
    const other = CASES[name]?.use === 'sign' ? 'vault' : 'tokens'
    const { code, error, stdout } = await refusal(line(name, other, '-e production'), CASES[name]?.stdin)
    expect({ code, error }, stdout).toEqual({ code: 9, error: 'purpose-mismatch' })
  })

  it.each(implying)('keyturn %s does not find what neither purpose has', async (name) => {
    const { code, error } = await refusal(line(name, 'nothing', '-e production'), CASES[name]?.stdin)
    expect({ code, error }).toEqual({ code: 5, error: 'not-found' })
  })

  it.each(['token encrypt', 'token decrypt'])(
    'keyturn %s refuses an encryption key as the signer',
    async (name) => {
      for (const signer of ['vault', 'encrypt/vault', 'production/encrypt/vault']) {
        const { code, error } = await refusal(
          line(name, 'vault', `-e production --signed-by ${signer}`),
          'a.b.c.d.e',
        )
        expect({ code, error }, signer).toEqual({ code: 9, error: 'purpose-mismatch' })
      }
    },
  )

  it('refuses an encrypted token where a signed one is wanted, and the other way round', async () => {
    const claims = '--claims {} --audience a --expires-in 5m -e production'
    const { stdout: signed } = await world.done(`token sign tokens ${claims}`)
    const { stdout: encrypted } = await world.done(`token encrypt vault ${claims}`)
    for (const [command, token] of [
      ['token verify tokens --audience a', encrypted],
      ['token decrypt vault --audience a', signed],
      ['data decrypt vault', signed],
    ] as const) {
      const { code, error } = await refusal(`${command} -e production`, token)
      expect({ code, error }, command).toEqual({ code: 9, error: 'purpose-mismatch' })
    }
  })

  it('refuses a role key of the other purpose', async () => {
    await world.done('environment role-key -e production --purpose encrypt --out encrypt.role.json')
    const sign = 'token sign tokens -e production --claims {} --audience a --expires-in 5m'
    const { code, error } = await refusal(`${sign} --role-key-file encrypt.role.json`)
    expect({ code, error }).toEqual({ code: 4, error: 'denied' })
  })

  it('refuses --purpose that the reference contradicts', async () => {
    const { code, error } = await refusal('key create sign/other --purpose encrypt -e production')
    expect({ code, error }).toEqual({ code: 9, error: 'purpose-mismatch' })
  })
})

describe('the content of a signing key', () => {
  it.each(['token sign', 'token verify'])('is bytes, so keyturn %s refuses it', async (name) => {
    const { code, error } = await refusal(line(name, 'webhooks', '-e production'), 'a.b.c')
    expect({ code, error }).toEqual({ code: 9, error: 'content-mismatch' })
  })
})

describe('the environment of a command', () => {
  it('has no default', async () => {
    const { code, error } = await refusal('key list')
    expect({ code, error }).toEqual({ code: 2, error: 'usage' })
  })

  it('is the one that a full reference names', async () => {
    const { stdout } = await world.done('key show production/sign/tokens')
    expect(stdout).toContain('production/sign/tokens')
  })

  it('comes from the flag before the variable', async () => {
    const { stdout } = await world.done('key show tokens -e staging', {
      env: { KEYTURN_ENVIRONMENT: 'production' },
    })
    expect(stdout).toContain('staging/sign/tokens')
  })
})

describe('a bare name where no purpose is implied', () => {
  it('is found under either purpose', async () => {
    expect((await world.done('key show vault -e production')).stdout).toContain('production/encrypt/vault')
  })

  it('must not be ambiguous', async () => {
    await world.done('key create encrypt/tokens -e staging')
    for (const command of ['key show', 'key history', 'rotate']) {
      const { code, error } = await refusal(`${command} tokens -e staging`)
      expect({ code, error }).toEqual({ code: 2, error: 'usage' })
    }
  })

  it('never creates a key', async () => {
    const { code, error } = await refusal('key create tokens2 -e production')
    expect({ code, error }).toEqual({ code: 2, error: 'usage' })
  })
})
