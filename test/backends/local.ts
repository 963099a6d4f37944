import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../src/backend/backend.ts'
import type { ConformanceHarness, StoredEdit } from '../../src/backend/conformance/harness.ts'
import { createLocalEnvironment, openLocalBackend } from '../../src/backend/local/index.ts'
import { entryName, keyLog, secretPath } from '../../src/backend/log/layout.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { copyTree } from '../support/copy-tree.ts'

/** A store in a temporary directory, with a master key file for each environment. */
export interface LocalFixture {
  readonly folder: string
  readonly store: string
  masterKeyFile(environment: string): string
  /** Opens an environment, and creates it first where it is missing. */
  open(environment: string): Promise<Backend>
  file(path: string): string
  remove(): void
}

export function createLocalFixture(): LocalFixture {
  const folder = fs.mkdtempSync(join(tmpdir(), 'keyturn-'))
  const store = join(folder, 'store')
  const masterKeyFile = (environment: string): string => join(folder, `${environment}.master-key.json`)
  return {
    folder,
    store,
    masterKeyFile,
    file: (path) => join(fs.realpathSync(store), ...path.split('/')),
    open: async (environment) => {
      const path = masterKeyFile(environment)
      if (!fs.existsSync(join(store, environment, 'environment', entryName(1)))) {
        await createLocalEnvironment({
          store,
          environment,
          protection: { kind: 'key-file', path },
          now: Math.floor(Date.now() / 1000) - 86_400,
          attribution: { actor: 'test' },
        })
      }
      return openLocalBackend({ kind: 'local', store, masterKeyFile: path }, environment)
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  }
}

type Json = Record<string, unknown>

export async function createLocalHarness(): Promise<ConformanceHarness> {
  const fixture = createLocalFixture()
  const backends: Backend[] = []
  return {
    sharesEnvironments: true,
    open: async (environment) => {
      const backend = await fixture.open(environment)
      backends.push(backend)
      return backend
    },
    edits: editsOf(fixture),
    outage: async () => {
      fs.renameSync(fixture.store, `${fixture.store}-away`)
      fs.writeFileSync(fixture.store, 'not a directory', { mode: 0o600 })
      return {
        code: 'configuration',
        end: async () => {
          fs.rmSync(fixture.store)
          fs.renameSync(`${fixture.store}-away`, fixture.store)
        },
      }
    },
    close: async () => {
      for (const backend of backends) await backend.close()
      fixture.remove()
    },
  }
}

/** The file of a version's creation, and of its last event. */
function entryFile(fixture: LocalFixture, version: VersionRecord, which: 'version' | 'event'): string {
  const folder = fixture.file(keyLog(version.ref))
  const wanted = which === 'version' ? 'version-created' : 'version-event'
  const name = fs.readdirSync(folder).find((one) => {
    const body = JSON.parse(fs.readFileSync(join(folder, one), 'utf8').split('\n')[0] ?? '') as Json
    const number = wanted === 'version-created' ? (body.version as Json)?.number : body.number
    return body.type === wanted && number === version.ref.number
  })
  if (!name) throw new Error(`there is no entry of a ${which}`)
  return join(folder, name)
}

/** Edits of the files of a store. */
export function editsOf(fixture: LocalFixture): readonly StoredEdit[] {
  const rewrite =
    (which: 'version' | 'event', edit: (body: Json, version: Json) => void): StoredEdit['apply'] =>
    async (version) => {
      const file = entryFile(fixture, version, which)
      const [line = '', signature = ''] = fs.readFileSync(file, 'utf8').split('\n')
      const body = JSON.parse(line) as Json
      edit(body, (body.version ?? {}) as Json)
      fs.writeFileSync(file, `${JSON.stringify(body)}\n${signature}\n`)
      return file
    }
  const field = (name: string, edit: (body: Json, version: Json) => void): StoredEdit => ({
    name,
    caughtBy: 'read',
    apply: rewrite('version', edit),
  })
  return [
    field('environment', (body) => {
      body.key = String(body.key).replace(/^[^/]+/, 'other')
    }),
    field('purpose', (body) => {
      body.key = String(body.key).replace('/sign/', '/encrypt/')
    }),
    field('name', (body) => {
      body.key = String(body.key).replace(/[^/]+$/, 'another')
    }),
    field('number', (_, version) => {
      version.number = 7
    }),
    field('algorithm', (_, version) => {
      version.algorithm = { alg: 'HS256' }
    }),
    field('content', (_, version) => {
      version.content = 'bytes'
    }),
    field('activates-at', (_, version) => {
      version.activatesAt = '2020-01-01T00:00:00Z'
    }),
    field('policy', (_, version) => {
      ;(version.policy as Json).retentionPeriod = '900d'
    }),
    field('public-key', (_, version) => {
      version.publicJwk = { ...(version.publicJwk as Json), x: version.kid }
    }),
    field('format', (body) => {
      body.format = 2
    }),
    field('unknown-member', (body) => {
      body.note = 'nobody asked'
    }),
    field('actor', (body) => {
      body.actor = 'somebody else'
    }),
    {
      name: 'event-edited',
      caughtBy: 'read',
      apply: rewrite('event', (body) => {
        body.event = { type: 'resumed' }
      }),
    },
    {
      name: 'flipped-bit',
      caughtBy: 'read',
      apply: async (version) => {
        const file = entryFile(fixture, version, 'version')
        const bytes = fs.readFileSync(file)
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4
        fs.writeFileSync(file, bytes)
        return file
      },
    },
    {
      name: 'torn',
      caughtBy: 'read',
      apply: async (version) => {
        const file = entryFile(fixture, version, 'version')
        fs.truncateSync(file, fs.statSync(file).size >> 1)
        return file
      },
    },
    {
      name: 'emptied',
      caughtBy: 'read',
      apply: async (version) => {
        const file = entryFile(fixture, version, 'version')
        fs.truncateSync(file, 0)
        return file
      },
    },
    {
      name: 'moved',
      caughtBy: 'read',
      apply: async (version) => {
        // The signed history of another key, put in the place of this one.
        const stranger = await fixture.open(version.ref.environment)
        const ref = { ...version.ref, name: 'stranger', number: 1 }
        await stranger.addVersion({
          ref,
          algorithm: version.algorithm,
          content: 'jwt',
          createdAt: version.createdAt,
          activatesAt: version.createdAt,
          activation: 'first',
          policy: version.policy,
          source: { kind: 'generate' },
        })
        const folder = fixture.file(keyLog(version.ref))
        fs.rmSync(folder, { recursive: true })
        copyTree(fixture.file(keyLog(ref)), folder)
        for (const name of fs.readdirSync(folder)) fs.chmodSync(join(folder, name), 0o640)
        fs.chmodSync(folder, 0o750)
        return join(folder, entryName(1))
      },
    },
    {
      name: 'material',
      caughtBy: 'use',
      apply: async (version) => {
        const file = fixture.file(secretPath(version.ref, version.material.id))
        const bytes = fs.readFileSync(file)
        bytes[bytes.length - 3] = bytes[bytes.length - 3] === 0x41 ? 0x42 : 0x41
        fs.writeFileSync(file, bytes)
        return file
      },
    },
  ]
}

/** A digest of every file of a directory, to show that nothing was changed. */
export function digestOf(folder: string): string {
  const hash = createHash('sha256')
  for (const name of fs.readdirSync(folder, { recursive: true }).map(String).sort()) {
    const file = join(folder, name)
    hash.update(name)
    if (fs.statSync(file).isFile()) hash.update(fs.readFileSync(file))
  }
  return hash.digest('hex')
}
