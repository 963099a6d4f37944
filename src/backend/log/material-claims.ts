import type { KeyObject } from 'node:crypto'
import { IntegrityError } from '../../errors.ts'
import { reasonOf } from '../../key/record.ts'
import { formatVersionRef, parseEnvironment, parseVersionRef, type VersionRef } from '../../key/ref.ts'
import { checkMembers, type JsonObject, stringMember } from '../../key/strict-json.ts'
import type { RootPublic } from './chain.ts'
import { decodeEntry, encodeEntry, verifyEntry } from './entry.ts'
import type { EnvironmentRecord } from './environment-entries.ts'
import { claimPath } from './layout.ts'
import type { ObjectStore } from './object-store.ts'

/** A claim says which version a piece of material serves. It is signed, and its name is the material's fingerprint. */
export interface Claim {
  readonly owner: VersionRef
  readonly fingerprint: string
}

/** Any root that the environment has had may have signed a claim. */
type Roots = Pick<EnvironmentRecord, 'root' | 'epochs'>

/** Resolves to the version that holds the material: `owner`, or another that was first, here or in another environment. */
export async function claimMaterial(
  store: ObjectStore,
  roots: Roots,
  rootKey: KeyObject,
  fingerprint: string,
  owner: VersionRef,
): Promise<VersionRef> {
  const path = claimPath(owner.environment, fingerprint)
  const body = { format: 1, fingerprint, version: formatVersionRef(owner), root: roots.root.thumbprint }
  const bytes = encodeEntry('material', body, rootKey)
  let created = await store.putIfAbsent(path, bytes)
  while (!created) {
    const claim = await readClaim(store, roots, owner.environment, fingerprint)
    if (claim && formatVersionRef(claim.owner) !== formatVersionRef(owner)) return claim.owner
    if (claim) break
    // Whoever held it gave it up in between.
    created = await store.putIfAbsent(path, bytes)
  }
  // Claimed here first and looked elsewhere second: of two environments at once, at least one sees the other.
  const elsewhere = await findElsewhere(store, owner.environment, fingerprint)
  if (!elsewhere) return owner
  if (created) await store.delete(path)
  return elsewhere
}

/** Removes the claim if it is `owner`'s. */
export async function releaseMaterial(
  store: ObjectStore,
  roots: Roots,
  fingerprint: string,
  owner: VersionRef,
): Promise<void> {
  const claim = await readClaim(store, roots, owner.environment, fingerprint)
  if (claim && formatVersionRef(claim.owner) === formatVersionRef(owner)) {
    await store.delete(claimPath(owner.environment, fingerprint))
  }
}

/** @throws IntegrityError when the claim was edited or moved */
export async function readClaim(
  store: ObjectStore,
  roots: Roots,
  environment: string,
  fingerprint: string,
): Promise<Claim | undefined> {
  const path = claimPath(environment, fingerprint)
  const bytes = await store.get(path)
  if (!bytes) return undefined
  const where = store.describe(path)
  const entry = decodeEntry('material', bytes, where)
  verifyEntry(entry, { root: signerOf(entry.body, roots).key })
  const claim = parseClaim(entry.body, where)
  if (claim.fingerprint !== fingerprint || claim.owner.environment !== environment) {
    throw new IntegrityError(where, 'the claim was moved: it is for other material')
  }
  return claim
}

function signerOf(body: JsonObject, { root, epochs }: Roots): RootPublic {
  return epochs.find((epoch) => epoch.root.thumbprint === body.root)?.root ?? root
}

function parseClaim(body: JsonObject, where: string): Claim {
  try {
    const object = checkMembers(body, 'the claim', ['format', 'fingerprint', 'version', 'root'])
    return {
      owner: parseVersionRef(stringMember(object, 'version')),
      fingerprint: stringMember(object, 'fingerprint'),
    }
  } catch (error) {
    throw new IntegrityError(where, reasonOf(error), { cause: error })
  }
}

/** Fingerprints of public keys are the same in every environment; those of secrets never are. */
async function findElsewhere(
  store: ObjectStore,
  environment: string,
  fingerprint: string,
): Promise<VersionRef | undefined> {
  for (const { name, isFolder } of await store.list('')) {
    if (!isFolder || name === environment || !isEnvironment(name)) continue
    const path = claimPath(name, fingerprint)
    const bytes = await store.get(path)
    // The other environment's root is not ours to trust; that the claim is there is enough.
    if (bytes)
      return parseClaim(decodeEntry('material', bytes, store.describe(path)).body, store.describe(path)).owner
  }
  return undefined
}

function isEnvironment(name: string): boolean {
  try {
    parseEnvironment(name)
    return true
  } catch {
    return false
  }
}
