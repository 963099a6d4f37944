import { createHmac, createPublicKey, hkdfSync, randomUUID, sign } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import * as keyturn from 'keyturn'

/** Any database that writes a value only if it is still what was read. Its errors have become BackendErrors. */
export interface Database {
  get(name: string): Promise<string | undefined>
  names(prefix: string): Promise<readonly string[]>
  /** Whether `before` was still there. Undefined stands for nothing, before and after. Durable when it resolves. */
  swap(name: string, before: string | undefined, after: string | undefined): Promise<boolean>
}

/** A whole backend of a database and a secret of 32 bytes that is kept elsewhere. */
export function openDatabaseBackend(db: Database, secret: Uint8Array, environment: string): keyturn.Backend {
  const derive = (job: string) => Buffer.from(hkdfSync('sha256', secret, '', `${environment}/${job}`, 32))
  return keyturn.composeBackend(
    recordsOf(db, derive('records'), environment),
    materialOf(db, derive('material'), environment),
  )
}

/** One row for each key. Its MAC covers its name too, so that neither an edit nor a move goes unnoticed: `signed`. */
function recordsOf(db: Database, macKey: Buffer, environment: string): keyturn.RecordStore {
  const rowOf = (ref: keyturn.KeyRef) => `key/${keyturn.formatKeyRef(ref)}`
  const claimOf = (fingerprint: string) => `claim/${environment}/${fingerprint}`
  const seal = (name: string, json: string) =>
    `${createHmac('sha256', macKey).update(`${name}\n${json}`).digest('base64url')}.${json}`
  const open = (name: string, row: string | undefined): keyturn.KeyRecord | undefined => {
    if (row === undefined) return undefined
    const json = row.slice(row.indexOf('.') + 1)
    if (seal(name, json) === row) return JSON.parse(json) as keyturn.KeyRecord
    throw new keyturn.IntegrityError(name, 'this backend did not write it')
  }
  const list: keyturn.RecordStore['list'] = async function* ({ purpose, name }) {
    for (const row of await db.names(`key/${environment}/`)) {
      const ref = keyturn.parseKeyRef(row.slice('key/'.length))
      if ((purpose ?? ref.purpose) !== ref.purpose || (name ?? ref.name) !== ref.name) continue
      try {
        const key = open(row, await db.get(row))
        if (key) yield key
      } catch (error) {
        if (!(error instanceof keyturn.IntegrityError)) throw error
        yield findingOf(row, error)
      }
    }
  }
  return {
    environment,
    integrity: 'signed',
    history: true,
    list,
    read: async (ref) => open(rowOf(ref), await db.get(rowOf(ref))),
    change: async (ref, decide) => {
      for (;;) {
        const before = await db.get(rowOf(ref))
        const current = open(rowOf(ref), before)
        const change = decide(current)
        const after = change ? applied(current?.versions ?? [], change) : current
        if (!after) throw new keyturn.KeyNotFoundError(`there is no ${rowOf(ref)}`)
        // The compare-and-set. Whoever loses it reads and decides again.
        if (!change || (await db.swap(rowOf(ref), before, seal(rowOf(ref), JSON.stringify(after)))))
          return after
      }
    },
    claim: async (fingerprint, owner) => {
      const mine = keyturn.formatVersionRef(owner)
      if (await db.swap(claimOf(fingerprint), undefined, mine)) return owner
      return keyturn.parseVersionRef((await db.get(claimOf(fingerprint))) ?? mine)
    },
    release: async (fingerprint, owner) =>
      void (await db.swap(claimOf(fingerprint), keyturn.formatVersionRef(owner), undefined)),
    async *diagnose(filter) {
      for await (const item of list(filter)) if (keyturn.isFinding(item)) yield item
    },
    close: async () => undefined,
  }
}

/** Secrets in rows of their own, encrypted and bound to their version; destroying a version deletes its row. */
function materialOf(db: Database, key: Buffer, environment: string): keyturn.KeyMaterial {
  const load = async ({ ref, algorithm, material: { id } }: keyturn.VersionRecord) => {
    const row = await db.get(id)
    if (row === undefined) throw new keyturn.BackendError('not-found', `${id} is gone`)
    try {
      const { plaintext, protectedHeader } = await compactDecrypt(row, key)
      if (protectedHeader.kid !== keyturn.formatVersionRef(ref))
        throw new RangeError('it is another version’s')
      return keyturn.importPrivateJwk(JSON.parse(Buffer.from(plaintext).toString()), algorithm)
    } catch {
      throw new keyturn.IntegrityError(id, `it is not the material of ${keyturn.formatVersionRef(ref)}`)
    }
  }
  const discard = async (id: string) => void (await db.swap(id, await db.get(id), undefined))
  return {
    kind: 'database',
    sign: [{ alg: 'Ed25519' }],
    encrypt: [],
    import: false,
    adopt: false,
    restore: false,
    create: async (ref, algorithm) => {
      const material = await keyturn.generateMaterial(algorithm)
      const id = `secret/${environment}/${randomUUID()}`
      const header = { alg: 'dir', enc: 'A256GCM', kid: keyturn.formatVersionRef(ref) }
      const jwk = Buffer.from(JSON.stringify(keyturn.exportPrivateJwk(material)))
      await db.swap(id, undefined, await new CompactEncrypt(jwk).setProtectedHeader(header).encrypt(key))
      const { crv = '', x = '' } = createPublicKey(material).export({ format: 'jwk' })
      const publicJwk = { kty: 'OKP', crv, x } as const
      return { locator: { id }, publicJwk, fingerprint: keyturn.publicFingerprint(publicJwk) }
    },
    discard: (_, { id }) => discard(id),
    carryOut: async ({ material }, { type }) => (type === 'destroyed' ? discard(material.id) : undefined),
    signing: async (version) => {
      const material = await load(version)
      return Object.freeze({ ref: version.ref, sign: (data: Uint8Array) => sign(null, data, material) })
    },
    encryption: async ({ algorithm: { alg } }) => {
      throw new keyturn.UnsupportedAlgorithmError(`this backend has no ${alg}`)
    },
    diagnose: async function* ({ keys }) {
      for (const { version, destroyed } of keys.flatMap((one) => keyturn.timelinesOf(one.versions))) {
        const error = destroyed ? undefined : await load(version).catch((reason: unknown) => reason)
        if (error instanceof keyturn.KeyturnError) yield findingOf(version.material.id, error)
      }
    },
    close: async () => undefined,
  }
}

function applied(versions: readonly keyturn.VersionRecord[], change: keyturn.Change): keyturn.KeyRecord {
  if (change.kind === 'version') return keyturn.keyOf([...versions, change.version])
  const isMeant = ({ ref }: keyturn.VersionRecord) => ref.number === change.ref.number
  return keyturn.keyOf(
    versions.map((one) => (isMeant(one) ? { ...one, events: [...one.events, change.event] } : one)),
  )
}

function findingOf(subject: string, error: keyturn.KeyturnError): keyturn.Finding {
  return {
    finding: 'unreadable',
    severity: 'error',
    subject,
    message: error.message,
    advice: 'Restore it',
    error,
  }
}
