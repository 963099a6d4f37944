import { createSecretKey, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Backend, isFinding } from '../../../src/backend/backend.ts'
import {
  createSeenFile,
  finishLocalRekey,
  openLocalBackend,
  rekeyLocalEnvironment,
  showLocalEnvironment,
  writeRoleKey,
} from '../../../src/backend/local/index.ts'
import { MaterialReusedError, RolledBackError } from '../../../src/errors.ts'
import type { KeyRecord, VersionRecord } from '../../../src/key/record.ts'
import { parseKeyRef, parseVersionRef } from '../../../src/key/ref.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../../backends/local.ts'
import { copyTree } from '../../support/copy-tree.ts'
import '../../support/cheap-scrypt.ts'

const ENVIRONMENT = 'production'
const TOKENS = parseKeyRef('production/sign/tokens')
const DATA = parseKeyRef('production/encrypt/data')
const HS256 = { alg: 'HS256' } as const

let fixture: LocalFixture
let oldFile: string
let newFile: string

beforeEach(async () => {
  fixture = createLocalFixture()
  oldFile = fixture.masterKeyFile(ENVIRONMENT)
  newFile = join(fixture.folder, 'new.json')
  const backend = await fixture.open(ENVIRONMENT)
  await backend.addVersion(draftFor('production/sign/tokens@1'))
  await backend.addVersion(draftFor('production/sign/hooks@1', { algorithm: HS256 }))
  await backend.addVersion(draftFor('production/encrypt/data@1'))
  await backend.close()
})

afterEach(() => fixture.remove())

const by = { now: nowInSeconds(), attribution: { actor: 'test', reason: 'a year has passed' } }

function open(masterKeyFile: string, more: object = {}): Promise<Backend> {
  return openLocalBackend({ kind: 'local', store: fixture.store, masterKeyFile, ...more }, ENVIRONMENT)
}

function rekey(from: string, to: string) {
  const options = { store: fixture.store, masterKeyFile: from }
  return rekeyLocalEnvironment(options, ENVIRONMENT, { protection: { kind: 'key-file', path: to }, ...by })
}

async function findings(masterKeyFile: string): Promise<readonly string[]> {
  const backend = await open(masterKeyFile)
  const found: string[] = []
  for await (const { severity, message } of backend.diagnose({})) found.push(`${severity}: ${message}`)
  return found
}

async function keysOf(backend: Backend): Promise<readonly KeyRecord[]> {
  const keys: KeyRecord[] = []
  for await (const item of backend.listKeys({})) {
    if (isFinding(item)) throw item.error
    keys.push(item)
  }
  return keys
}

const secrets = (): readonly string[] =>
  fs
    .readdirSync(fixture.store, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.jwe'))

describe('replacing the master key', () => {
  it('keeps every key: what it signed verifies, what it encrypted decrypts, and it goes on', async () => {
    const before = await open(oldFile)
    const [tokens] = (await before.readKey(TOKENS))?.versions ?? []
    const [hooks] = (await before.readKey({ ...TOKENS, name: 'hooks' }))?.versions ?? []
    const [data] = (await before.readKey(DATA))?.versions ?? []
    const mac = await (await before.signing(hooks as VersionRecord)).sign(Buffer.from('message'))
    const wrapped = await (await before.encryption(data as VersionRecord)).createContentKey()
    const result = await rekey(oldFile, newFile)
    expect(result).toMatchObject({ epoch: 2, keys: 3 })

    const after = await open(newFile)
    const [now] = (await after.readKey(TOKENS))?.versions ?? []
    expect(now).toEqual({ ...tokens, material: { ...now?.material } })
    expect(await (await after.signing(now as VersionRecord)).sign(Buffer.from('message'))).toHaveLength(64)
    const [hooksNow] = (await after.readKey({ ...TOKENS, name: 'hooks' }))?.versions ?? []
    const handle = await after.signing(hooksNow as VersionRecord)
    expect(await handle.verify?.(Buffer.from('message'), mac)).toBe(true)
    const [dataNow] = (await after.readKey(DATA))?.versions ?? []
    const unwrapped = await (await after.encryption(dataNow as VersionRecord)).unwrap(wrapped)
    expect(Buffer.from(wrapped.contentKey).equals(Buffer.from(unwrapped))).toBe(true)
    await after.addVersion(draftFor('production/sign/tokens@2'))
    expect(await findings(newFile)).toEqual([])
  })

  it('leaves no secret under the former one, and says since when the present one is', async () => {
    const before = secrets()
    await rekey(oldFile, newFile)
    expect(secrets()).toHaveLength(before.length)
    expect(secrets().some((name) => before.includes(name))).toBe(false)
    const summary = await showLocalEnvironment({ store: fixture.store, masterKeyFile: newFile }, ENVIRONMENT)
    expect(summary).toMatchObject({ epoch: 2, masterKeyCreatedAt: by.now, keys: 3 })
    expect(summary.roots).toHaveLength(2)
    expect(summary.roots[1]).toBe(summary.rootThumbprint)
  })

  it('can be done again and again', async () => {
    const third = join(fixture.folder, 'third.json')
    await rekey(oldFile, newFile)
    const backend = await open(newFile)
    await backend.addVersion(draftFor('production/sign/tokens@2'))
    await backend.addVersion(draftFor('production/sign/more@1'))
    expect(await rekey(newFile, third)).toMatchObject({ epoch: 3, keys: 4 })
    expect(await findings(third)).toEqual([])
    expect(await keysOf(await open(third))).toHaveLength(4)
    await expect(open(oldFile)).rejects.toMatchObject({ code: 'denied' })
    await expect(open(newFile)).rejects.toMatchObject({ code: 'denied' })
  })

  it('protects the new one by a passphrase, or the other way round', async () => {
    const passphrase = randomBytes(16).toString('hex')
    const options = { store: fixture.store, masterKeyFile: oldFile }
    const protection = { kind: 'passphrase', passphrase } as const
    const { rootThumbprint } = await rekeyLocalEnvironment(options, ENVIRONMENT, { protection, ...by })
    const withPassphrase = { store: fixture.store, passphrase: () => passphrase, rootThumbprint }
    expect(
      await keysOf(await openLocalBackend({ kind: 'local', ...withPassphrase }, ENVIRONMENT)),
    ).toHaveLength(3)
    const back = { protection: { kind: 'key-file', path: newFile } as const, ...by }
    expect(await rekeyLocalEnvironment(withPassphrase, ENVIRONMENT, back)).toMatchObject({ epoch: 3 })
    expect(await findings(newFile)).toEqual([])
    expect(fs.readdirSync(fixture.file('production/protection'))).toEqual([])
  })

  it('is refused with a master key that the environment has or had, and changes nothing', async () => {
    await expect(rekey(oldFile, oldFile)).rejects.toThrow(/is a master key that production has or had/)
    await rekey(oldFile, newFile)
    await expect(rekey(newFile, oldFile)).rejects.toThrow(/is a master key that production has or had/)
    expect(await findings(newFile)).toEqual([])
  })

  it('is refused to whoever has only a role key', async () => {
    const roleKeyFile = join(fixture.folder, 'signer.json')
    const options = { store: fixture.store, masterKeyFile: oldFile }
    await writeRoleKey(options, ENVIRONMENT, { purpose: 'sign', path: roleKeyFile })
    const request = { protection: { kind: 'key-file', path: newFile } as const, ...by }
    const attempt = rekeyLocalEnvironment({ store: fixture.store, roleKeyFile }, ENVIRONMENT, request)
    await expect(attempt).rejects.toMatchObject({ code: 'denied' })
    expect(fs.existsSync(newFile)).toBe(false)
  })

  it('is refused while a secret does not open, and what it began is no obstacle to anybody', async () => {
    const [file = ''] = secrets().filter((name) => name.includes('hooks'))
    const whole = fs.readFileSync(join(fixture.store, file))
    fs.writeFileSync(join(fixture.store, file), 'torn')
    await expect(rekey(oldFile, newFile)).rejects.toMatchObject({ code: 'integrity' })
    fs.writeFileSync(join(fixture.store, file), whole)
    const backend = await open(oldFile)
    await backend.addVersion(draftFor('production/sign/tokens@2'))
    for await (const finding of backend.diagnose({})) await finding.repair?.()
    expect(await findings(oldFile)).toEqual([])
    expect(await rekey(oldFile, newFile)).toMatchObject({ epoch: 2 })
    expect((await (await open(newFile)).readKey(TOKENS))?.versions).toHaveLength(2)
  })
})

describe('after a rekey', () => {
  it('the former master key opens nothing, and the error says why', async () => {
    const opened = await open(oldFile)
    await opened.readKey(TOKENS)
    await rekey(oldFile, newFile)
    for (const attempt of [
      () => open(oldFile),
      () => opened.readKey(TOKENS),
      () => opened.addVersion(draftFor('production/sign/tokens@2')),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'denied' })
      await expect(attempt()).rejects.toThrow(/belongs to a master key that was replaced by a rekey/)
    }
  })

  it('a role key is refused with the command that issues another, and that one works', async () => {
    const [former, present] = ['former.json', 'present.json'].map((name) => join(fixture.folder, name)) as [
      string,
      string,
    ]
    const write = (masterKeyFile: string, path: string): Promise<void> =>
      writeRoleKey({ store: fixture.store, masterKeyFile }, ENVIRONMENT, { purpose: 'sign', path })
    await write(oldFile, former)
    await rekey(oldFile, newFile)
    const openAs = (roleKeyFile: string): Promise<Backend> =>
      openLocalBackend({ kind: 'local', store: fixture.store, roleKeyFile }, ENVIRONMENT)
    await expect(openAs(former)).rejects.toThrow(
      /replaced by a rekey\. Issue a new one, where the master key is: keyturn environment role-key -e production --purpose sign/,
    )
    await write(newFile, present)
    const backend = await openAs(present)
    const [version] = (await backend.readKey(TOKENS))?.versions ?? []
    expect(await (await backend.signing(version as VersionRecord)).sign(Buffer.from('x'))).toHaveLength(64)
  })

  it('a pin of the former root is followed to the present one, and one of another root is not', async () => {
    const { formerRootThumbprint, rootThumbprint } = await rekey(oldFile, newFile)
    const reader = (pin: string): Promise<Backend> =>
      openLocalBackend({ kind: 'local', store: fixture.store, rootThumbprint: pin }, ENVIRONMENT)
    expect(await keysOf(await reader(formerRootThumbprint))).toHaveLength(3)
    expect(await keysOf(await reader(rootThumbprint))).toHaveLength(3)
    await expect(reader('A'.repeat(43))).rejects.toMatchObject({ code: 'integrity' })
  })

  it('a reader that was opened before goes on', async () => {
    const { rootThumbprint } = await showLocalEnvironment(
      { store: fixture.store, masterKeyFile: oldFile },
      ENVIRONMENT,
    )
    const reader = await openLocalBackend(
      { kind: 'local', store: fixture.store, rootThumbprint },
      ENVIRONMENT,
    )
    expect((await reader.readKey(TOKENS))?.versions).toHaveLength(1)
    await rekey(oldFile, newFile)
    await (await open(newFile)).addVersion(draftFor('production/sign/tokens@2'))
    expect((await reader.readKey(TOKENS))?.versions).toHaveLength(2)
  })

  it('a host still notices that logs were taken back to before it', async () => {
    const copy = join(fixture.folder, 'copy')
    copyTree(fixture.store, copy)
    const seen = createSeenFile(join(fixture.folder, 'seen'))
    const { rootThumbprint, formerRootThumbprint } = await rekey(oldFile, newFile)
    await keysOf(await open(newFile, { seen }))
    for (const pin of [rootThumbprint, formerRootThumbprint]) {
      const options = { kind: 'local', store: copy, rootThumbprint: pin } as const
      const attempt = openLocalBackend(
        { ...options, seen: createSeenFile(join(fixture.folder, 'seen')) },
        ENVIRONMENT,
      )
      await expect(attempt).rejects.toThrow(pin === rootThumbprint ? /its root key is/ : RolledBackError)
    }
  })

  it('material is still known: of live and of destroyed secrets, and of public keys', async () => {
    const secret = createSecretKey(randomBytes(64))
    const importing = (name: string) =>
      draftFor(`production/sign/${name}@1`, { algorithm: HS256, source: { kind: 'import', key: secret } })
    const backend = await open(oldFile)
    await backend.addVersion(importing('live'))
    await rekey(oldFile, newFile)
    await expect((await open(newFile)).addVersion(importing('again'))).rejects.toThrow(MaterialReusedError)
    const ref = parseVersionRef('production/sign/live@1')
    const rekeyed = await open(newFile)
    for (const type of ['compromised', 'destroyed'] as const) {
      await rekeyed.recordEvent(ref, { type, at: nowInSeconds() })
    }
    const third = join(fixture.folder, 'third.json')
    await rekey(newFile, third)
    await expect((await open(third)).addVersion(importing('again'))).rejects.toThrow(MaterialReusedError)
  })
})

describe('a rekey and other work at the same time', () => {
  it('loses no acknowledged version', async () => {
    const acknowledged: number[] = []
    const rotate = async (): Promise<void> => {
      const backend = await open(oldFile)
      for (let number = 2; number < 50; number++) {
        await backend.addVersion(draftFor(`production/sign/tokens@${number}`))
        acknowledged.push(number)
      }
    }
    const rekeyInTheEnd = async (): Promise<void> => {
      try {
        await rekey(oldFile, newFile)
      } catch (error) {
        expect(error).toMatchObject({ code: 'conflict' })
        await rekeyInTheEnd()
      }
    }
    const [rotating] = await Promise.allSettled([rotate(), rekeyInTheEnd()])
    if (rotating.status === 'rejected') {
      expect(rotating.reason).toMatchObject({ code: expect.stringMatching(/^(denied|conflict)$/) })
    }
    const key = await (await open(newFile)).readKey(TOKENS)
    const numbers = key?.versions.map(({ ref }) => ref.number) ?? []
    expect(numbers.filter((number) => acknowledged.includes(number))).toEqual(acknowledged)
    expect(numbers.length).toBeLessThanOrEqual(acknowledged.length + 2)
    expect((await findings(newFile)).filter((message) => message.startsWith('error'))).toEqual([])
  })

  it('of two, one wins', async () => {
    const other = join(fixture.folder, 'other.json')
    const results = await Promise.allSettled([rekey(oldFile, newFile), rekey(oldFile, other)])
    const won = results.findIndex(({ status }) => status === 'fulfilled')
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: expect.stringMatching(/^(denied|conflict)$/) },
    })
    const winner = won === 0 ? newFile : other
    await finishLocalRekey({ store: fixture.store, masterKeyFile: winner }, ENVIRONMENT)
    expect(await findings(winner)).toEqual([])
  })
})
