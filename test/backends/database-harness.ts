import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Database, openDatabaseBackend } from '../../docs/examples/database-backend.ts'
import type { Backend } from '../../src/backend/backend.ts'
import type { ConformanceHarness, StoredEdit } from '../../src/backend/conformance/harness.ts'
import { BackendError } from '../../src/errors.ts'
import { formatKeyRef } from '../../src/key/ref.ts'

/** Rows in memory, behind a driver as the example asks for it. */
class MapDatabase implements Database {
  readonly rows: Map<string, string> = new Map()
  failure: Error | undefined

  async get(name: string): Promise<string | undefined> {
    await this.#reach()
    return this.rows.get(name)
  }

  async names(prefix: string): Promise<readonly string[]> {
    await this.#reach()
    return [...this.rows.keys()].filter((name) => name.startsWith(prefix)).sort()
  }

  async swap(name: string, before: string | undefined, after: string | undefined): Promise<boolean> {
    await this.#reach()
    if (this.rows.get(name) !== before) return false
    if (after === undefined) this.rows.delete(name)
    else this.rows.set(name, after)
    return true
  }

  async #reach(): Promise<void> {
    await nextTurn()
    if (this.failure) throw new BackendError('unavailable', 'the database is away', { cause: this.failure })
  }
}

/** The conformance harness of the worked example. */
export async function createDatabaseHarness(): Promise<ConformanceHarness> {
  const db = new MapDatabase()
  const secret = randomBytes(32)
  const backends: Backend[] = []
  return {
    sharesEnvironments: false,
    edits: editsOf(db),
    open: async (environment) => {
      const backend = openDatabaseBackend(db, secret, environment)
      backends.push(backend)
      return backend
    },
    outage: async () => {
      db.failure = new Error('pulled out')
      return {
        code: 'unavailable',
        end: async () => {
          db.failure = undefined
        },
      }
    },
    close: async () => {
      for (const backend of backends) await backend.close()
    },
  }
}

function editsOf({ rows }: MapDatabase): readonly StoredEdit[] {
  const edit = (name: string, from: string | RegExp, to: string): StoredEdit => ({
    name,
    caughtBy: 'read',
    apply: async ({ ref }) => replaceIn(rows, `key/${formatKeyRef(ref)}`, from, to),
  })
  return [
    edit('environment', /"environment":"[^"]+"/g, '"environment":"staging"'),
    edit('purpose', /"purpose":"sign"/g, '"purpose":"encrypt"'),
    edit('name', /"name":"edited"/g, '"name":"editor"'),
    edit('number', '"number":1', '"number":2'),
    edit('algorithm', /"alg":"Ed25519"/g, '"alg":"EdDSA"'),
    edit('content', /"content":"jwt"/g, '"content":"bytes"'),
    edit('activates-at', /"activatesAt":\d/, '"activatesAt":3'),
    edit('policy', /"rotationPeriod":\d/, '"rotationPeriod":9'),
    edit('public-key', /"x":"[^"]{4}/, '"x":"AAAA'),
    edit('event-edited', '"type":"suspended"', '"type":"resumed"'),
    edit('format', /^[^.]*\./, '.'),
    edit('unknown-member', '{', '{"extra":true,'),
    edit('flipped-bit', '"origin":"g', '"origin":"f'),
    edit('torn', /.{20}$/, ''),
    {
      name: 'moved',
      caughtBy: 'read',
      apply: async ({ ref }) => {
        const path = `key/${formatKeyRef(ref)}`
        rows.set(path, rows.get(`key/${formatKeyRef({ ...ref, name: 'healthy' })}`) ?? '')
        return path
      },
    },
    {
      name: 'material',
      caughtBy: 'use',
      apply: async ({ material }) => replaceIn(rows, material.id, /.{4}$/, 'AAAA'),
    },
  ]
}

async function replaceIn(
  rows: Map<string, string>,
  name: string,
  from: string | RegExp,
  to: string,
): Promise<string> {
  const before = rows.get(name)
  const after = before?.replace(from, to)
  if (after === undefined || after === before) throw new Error(`the edit of ${name} changes nothing`)
  rows.set(name, after)
  return name
}
