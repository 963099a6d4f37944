import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linesOf } from '../../cli/lines.ts'
import { run } from '../../cli/run.ts'
import { parseSealedLine } from '../../cli/sealed-line.ts'
import { openBackend, parseVersionRef } from '../../src/index.ts'
import { createProduction, createWorld, endless, environmentOf, type World } from './support.ts'

const PRODUCTION = { KEYTURN_ENVIRONMENT: 'production' }
const HOUR = 3_600

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await keyturn('key create encrypt/vault')
})

afterEach(() => world.close())

/** As world.done, in production. */
async function keyturn(line: string, stdin: string | Uint8Array = ''): Promise<string> {
  return (await world.done(line, { stdin, env: PRODUCTION })).stdout
}

async function seal(text: string, more = ''): Promise<string> {
  return (await keyturn(`data encrypt vault ${more}`, text)).trim()
}

async function open(jwe: string, more = ''): Promise<string> {
  return keyturn(`data decrypt vault ${more}`, jwe)
}

/** Makes the next version the active one. */
async function takeOver(): Promise<void> {
  await keyturn('rotate vault')
  world.now += HOUR
}

function kidOf(jwe: string): unknown {
  return JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString()).kid
}

describe('keyturn data rewrap', () => {
  it('moves bare JWEs, JSON strings and members of objects, and keeps their order', async () => {
    const [a, b, c] = [await seal('one'), await seal('two'), await seal('three')]
    await takeOver()
    const stdin = `${a}\n"${b}"\n{"id":3,"data":"${c}","rest":[1]}\n`
    const { stdout, stderr } = await world.done('data rewrap vault', { stdin, env: PRODUCTION })
    const [first = '', second = '', third = '', end] = stdout.split('\n')
    expect(end).toBe('')
    const moved = [first, JSON.parse(second), JSON.parse(third).data]
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      expect(kidOf(moved[index])).toBe('production/encrypt/vault@2')
      expect(await open(moved[index])).toBe(text)
    }
    expect(JSON.parse(third)).toMatchObject({ id: 3, rest: [1] })
    expect(stderr).toMatch(/@1 +deactivated +3 +0/)
    expect(stderr).toMatch(/@2 +active +0 +3/)
    expect(stderr).toContain('3 records: 3 rewrapped, 0 unchanged')
    expect(stderr).toContain('None of these records needs @1.')
  })

  it('leaves every other byte as it is: white space, escapes, numbers, line ends', async () => {
    const jwe = await seal('one')
    await takeOver()
    const written = (data: string): string =>
      [
        `  { "n" : 1.0e0, "big":12345678901234567890, "é":"\\u00e9\\/\\"{", "x":{"data":"${jwe}"}, "d\\u0061ta" :"${data}" , "y":["data","z"]}\r\n`,
        '\n',
        '{"data":null,"id":2}\n',
        ` "${data}" \n`,
        `${data}`,
      ].join('')
    const stdout = await keyturn('data rewrap vault', written(jwe))
    const moved = stdout.split('\n').at(-1) ?? ''
    expect(kidOf(moved)).toBe('production/encrypt/vault@2')
    const others = [...stdout.matchAll(/[\w-]+(?:\.[\w-]+){4}/g)].map(([one]) => one)
    expect(others).toHaveLength(4)
    expect(others[0]).toBe(jwe)
    expect(stdout.replaceAll(/[\w-]+(?:\.[\w-]+){4}/g, jwe)).toBe(written(jwe))
  })

  it('takes what each record belongs to from its context and from --context', async () => {
    const rows = await Promise.all(
      ['1', '2'].map((row) => seal(`row ${row}`, `--context t=p --context row=${row}`)),
    )
    await takeOver()
    const stdin = rows
      .map((data, index) => JSON.stringify({ data, context: { row: `${index + 1}` } }))
      .join('\n')
    const moved = (await keyturn('data rewrap vault --context t=p', stdin))
      .split('\n')
      .map((line) => JSON.parse(line).data)
    expect(await open(moved[0], '--context t=p --context row=1')).toBe('row 1')
    expect(await open(moved[1], '--context t=p --context row=2')).toBe('row 2')
    const refused = await world.keyturn('data rewrap vault --context row=1', { stdin, env: PRODUCTION })
    expect(refused.code).toBe(8)
    expect(refused.stderr).toMatch(/line 2: its context and --context disagree about "row"/)
  })

  it('passes bad lines on as they are, names them, goes on, and ends with 8', async () => {
    const good = await seal('good')
    const bound = await seal('bound', '--context row=1')
    await keyturn('key create encrypt/other')
    const foreign = (await keyturn('data encrypt other', 'x')).trim()
    await keyturn('key create sign/tokens')
    const signed = (await keyturn('token sign tokens --claims {} --audience a --expires-in 5m')).trim()
    await takeOver()
    const bad = [
      'not a record',
      '{"data":',
      '{"other":1}',
      '{"data":7}',
      '[1]',
      '{"data":"x","data":"y"}',
      `{"data":"${good}","context":{"row":1}}`,
      `"${bound}"`,
      foreign,
      signed,
      `${good.slice(0, -4)}AAAA`,
      '\u00ff',
    ]
    const lines = bad.flatMap((line) => [line, good])
    const outcome = await world.keyturn('data rewrap vault', { stdin: lines.join('\n'), env: PRODUCTION })
    expect(outcome.code).toBe(8)
    const out = outcome.stdout.split('\n')
    expect(out.filter((_, index) => index % 2 === 0)).toEqual(bad)
    for (const [index, line] of out.entries()) if (index % 2 === 1) expect(kidOf(line)).toMatch(/@2$/)
    const named = [...outcome.stderr.matchAll(/line (\d+):/g)].map(([, number]) => Number(number))
    expect(named).toEqual(bad.map((_, index) => index * 2 + 1))
    expect(outcome.stderr).toContain(`${lines.length} records: 12 rewrapped, 0 unchanged, 12 failed`)
    expect(outcome.stderr).not.toContain('None of these records needs')
    for (const line of bad) expect(outcome.stderr).not.toContain(line)
  })

  it('counts a record that cannot be rewrapped under the version that still is needed for it', async () => {
    const [good, bound] = [await seal('good'), await seal('bound', '--context row=1')]
    await takeOver()
    writeFileSync(world.path('in'), `${good}\n${bound}\n`)
    const outcome = await world.keyturn('data rewrap vault --in in --out out --output json', {
      env: PRODUCTION,
    })
    expect(outcome.code).toBe(8)
    expect(outcome.json()).toMatchObject({
      records: 2,
      rewrapped: 1,
      unchanged: 0,
      failed: 1,
      empty: 0,
      dryRun: false,
    })
    expect(outcome.json().versions).toMatchObject([
      { number: 1, state: 'deactivated', found: 2, left: 1 },
      { number: 2, state: 'active', found: 0, left: 1 },
    ])
  })

  it('changes nothing the second time', async () => {
    const stdin = `${await seal('one')}\n`
    await takeOver()
    const once = await keyturn('data rewrap vault', stdin)
    const { stdout, stderr } = await world.done('data rewrap vault', { stdin: once, env: PRODUCTION })
    expect(stdout).toBe(once)
    expect(stderr).toContain('1 records: 0 rewrapped, 1 unchanged')
  })

  it('only counts with --dry-run, for which it needs no secret', async () => {
    const old = await seal('old')
    await takeOver()
    const stdin = `${old}\n${await seal('new')}\n${old}\nrubbish\n`
    const outcome = await world.keyturn(
      'data rewrap vault --dry-run --output json --master-key-file nowhere',
      {
        stdin,
        env: PRODUCTION,
      },
    )
    expect(outcome.code).toBe(8)
    expect(outcome.json()).toMatchObject({ dryRun: true, records: 4, rewrapped: 0, failed: 1 })
    expect(outcome.json().versions).toMatchObject([
      { number: 1, found: 2 },
      { number: 2, found: 1 },
    ])
    const people = await world.done('data rewrap vault --dry-run', { stdin: `${old}\n`, env: PRODUCTION })
    expect(people.stdout).toBe('')
    expect(people.stderr).toMatch(/VERSION +STATE +RECORDS\n@1 +deactivated +1\n@2 +active +0\n1 records\n/)
  })

  it('refuses to mix the records with a summary, or to write them on a dry run', async () => {
    for (const line of ['--output json', '--dry-run --out x', '--field context']) {
      expect((await world.keyturn(`data rewrap vault ${line}`, { env: PRODUCTION })).code).toBe(2)
    }
  })

  it('replaces --out as a whole, which may be the file that is read', async () => {
    writeFileSync(world.path('rows'), `${await seal('one')}\n`)
    await takeOver()
    const { stdout } = await world.done('data rewrap vault --in rows --out rows', { env: PRODUCTION })
    expect(stdout).toBe('')
    expect(await open(readFileSync(world.path('rows'), 'utf8'))).toBe('one')
    expect(statSync(world.path('rows')).mode & 0o777).toBe(0o600)
  })

  it('leaves --out alone when it cannot go on, and says how far it came', async () => {
    const jwe = await seal('one')
    await keyturn('rotate vault')
    world.now += HOUR
    writeFileSync(world.path('rows'), 'old')
    const lines = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from(`${jwe}\n`)
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'read' })
    }
    const outcome = await world.keyturn('data rewrap vault --out rows', {
      stdin: Readable.from(lines()),
      env: PRODUCTION,
    })
    expect(outcome.code).toBe(7)
    expect(outcome.stderr).toContain('Stopped after line 1.')
    expect(readFileSync(world.path('rows'), 'utf8')).toBe('old')
    expect(readdirSync(world.folder).filter((name) => name.includes('.tmp'))).toEqual([])
  })

  it('leaves --out alone when it is interrupted, at once', async () => {
    writeFileSync(world.path('rows'), 'old')
    const controller = new AbortController()
    const running = world.keyturn('data rewrap vault --out rows', {
      stdin: endless(),
      env: PRODUCTION,
      signal: controller.signal,
    })
    const temporaries = (): string[] => readdirSync(world.folder).filter((name) => name.includes('.tmp'))
    while (temporaries().length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort(new Error('interrupted'))
    expect(temporaries()).toEqual([])
    expect((await running).code).not.toBe(0)
    expect(readFileSync(world.path('rows'), 'utf8')).toBe('old')
  })

  it('never shows what is inside', async () => {
    const secret = randomBytes(24).toString('hex')
    const jwe = await seal(secret)
    const broken = `${jwe.slice(0, -4)}AAAA`
    await takeOver()
    const outcome = await world.keyturn('data rewrap vault --debug', {
      stdin: `${jwe}\n${broken}\n{"data":"${secret}"}\n`,
      env: PRODUCTION,
    })
    expect(outcome.code).toBe(8)
    expect(outcome.stderr).not.toContain(secret)
    expect(outcome.stdout.split('\n').slice(0, 2).join()).not.toContain(secret)
  })

  it('takes 10,000 records in a few seconds, and holds few of them at a time', async () => {
    const sealed = await Promise.all(
      Array.from({ length: 50 }, (_, index) => seal(`record ${index} ${'x'.repeat(500)}`)),
    )
    await takeOver()
    let given = 0
    let taken = 0
    let mostAhead = 0
    const records = function* (): Generator<Buffer> {
      for (let chunk = 0; chunk < 200; chunk++) {
        const lines = sealed.map((data, index) => `${JSON.stringify({ id: chunk * 50 + index, data })}\n`)
        given += lines.length
        mostAhead = Math.max(mostAhead, given - taken)
        yield Buffer.from(lines.join(''))
      }
    }
    const started = performance.now()
    const ids: number[] = []
    const take = async (chunk: string | Uint8Array): Promise<void> => {
      const lines = Buffer.from(chunk).toString().trimEnd().split('\n')
      taken += lines.length
      for (const line of lines) ids.push(JSON.parse(line).id)
      // A reader that is slower than the writer.
      await new Promise((resolve) => setImmediate(resolve))
    }
    const code = await run(['data', 'rewrap', 'vault'], {
      stdin: Readable.from(records(), { objectMode: true, highWaterMark: 1 }),
      stdout: { isTTY: false, write: take },
      stderr: { isTTY: false, write: async () => undefined },
      env: { ...environmentOf(world.folder), ...PRODUCTION },
      cwd: world.folder,
      now: () => world.now * 1000,
      signal: new AbortController().signal,
      stopSignal: () => new AbortController().signal,
      openTerminal: () => undefined,
    })
    expect(code).toBe(0)
    expect(ids).toEqual([...Array(10_000).keys()])
    expect(mostAhead).toBeLessThanOrEqual(200)
    expect(performance.now() - started).toBeLessThan(30_000)
  }, 60_000)
})

describe('data from a compromised version', () => {
  async function compromise(): Promise<void> {
    await keyturn('rotate vault --emergency --confirm vault')
    const backend = await openBackend(
      { kind: 'local', store: world.path('keys'), masterKeyFile: world.path('production.master-key.json') },
      'production',
    )
    const event = { type: 'compromised', at: world.now } as const
    await backend.recordEvent(parseVersionRef('production/encrypt/vault@1'), event)
    await backend.close()
  }

  it('is moved only with --accept-unauthenticated, and then with a warning', async () => {
    const jwe = await seal('one')
    await compromise()
    const refused = await world.keyturn('data rewrap vault', { stdin: jwe, env: PRODUCTION })
    expect(refused.code).toBe(8)
    expect(refused.stdout).toBe(jwe)
    expect(refused.stderr).toMatch(/compromised: whoever has that key may have written it/)
    const accepted = await world.done('data rewrap vault --accept-unauthenticated', {
      stdin: jwe,
      env: PRODUCTION,
    })
    expect(await open(accepted.stdout)).toBe('one')
    expect(accepted.stderr).toMatch(/1 records came from production\/encrypt\/vault@1, which is compromised/)
  })
})

describe('lines', () => {
  async function cut(
    chunks: readonly string[],
    most: number,
  ): Promise<readonly (readonly [number, string, boolean])[]> {
    const lines: [number, string, boolean][] = []
    for await (const batch of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), most)) {
      for (const { number, bytes, isWhole } of batch) lines.push([number, bytes.toString(), isWhole])
    }
    return lines
  }

  it('are whole, however they arrive', async () => {
    expect(await cut(['a', 'b\nc\n', '\nd'], 100)).toEqual([
      [1, 'ab\n', true],
      [2, 'c\n', true],
      [3, '\n', true],
      [4, 'd', true],
    ])
    expect(await cut([], 100)).toEqual([])
  })

  it('that are too long come in pieces, and lose nothing', async () => {
    const lines = await cut(['12345', '678', '9\nok\n', 'toolong'], 6)
    expect(lines.map(([, text]) => text).join('')).toBe('123456789\nok\ntoolong')
    expect(lines.filter(([, , isWhole]) => isWhole)).toEqual([[2, 'ok\n', true]])
    expect(new Set(lines.filter(([, , isWhole]) => !isWhole).map(([number]) => number))).toEqual(
      new Set([1, 3]),
    )
  })
})

describe('a line', () => {
  it('is read as what JSON says it is, whatever stands around the member', () => {
    const jwe = 'a.b.c.d.e'
    for (const text of [
      `{"data":"${jwe}"}`,
      `{"a":{"data":"x"},"data":"${jwe}"}`,
      `{"a":"data","data":"${jwe}","b":"\\\\"}`,
      `{"a":["data","x"],"\\u0064ata":"${jwe}"}`,
      `{"x":"\\"data\\":\\"y\\"","data" : "a\\u002eb.c.d.e"}`,
    ]) {
      const line = parseSealedLine(Buffer.from(text), { field: 'data', context: {} })
      if (typeof line === 'string') throw new Error(line)
      expect(line.sealed).toBe(jwe)
      const { data, ...rest } = JSON.parse(text)
      expect(JSON.parse(line.with('n.e.w.e.r').toString())).toEqual({ data: 'n.e.w.e.r', ...rest })
      expect(data).toBe(jwe)
    }
  })
})
