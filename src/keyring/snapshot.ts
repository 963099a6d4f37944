import { IntegrityError, KeyturnError } from '../errors.ts'
import { isAsymmetric } from '../key/algorithm.ts'
import type { Instant } from '../key/duration.ts'
import { mayProcess, nextTransition, stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import { type KeyRecord, keyOf, kidOf, type VersionRecord } from '../key/record.ts'
import { formatKeyRef, formatVersionRef, isSameKey } from '../key/ref.ts'

/** A key as it was read once, prepared so that each call finds its version without working the record through again. */
export class Snapshot {
  readonly key: KeyRecord
  readonly #lines: readonly Timeline[]
  readonly #byKid: ReadonlyMap<string, Timeline>
  #active:
    | { readonly line: Timeline | undefined; readonly from: Instant; readonly until: Instant }
    | undefined

  /** @throws IntegrityError when the versions do not belong together, or two of them share a `kid` */
  constructor(key: KeyRecord) {
    checkRecord(key)
    this.key = key
    this.#lines = timelinesOf(key.versions)
    this.#byKid = new Map(this.#lines.map((line) => [line.version.kid, line]))
  }

  /** The one version that a `kid` names. */
  find(kid: string): Timeline | undefined {
    return this.#byKid.get(kid)
  }

  /** The version that may sign or encrypt at `now`. Looked up again only when the clock leaves the window it holds for. */
  activeAt(now: Instant): Timeline | undefined {
    const known = this.#active
    if (known && now >= known.from && now < known.until) return known.line
    const line = this.#lines.find((one) => stateAt(one, now) === 'active')
    const until = nextTransition(this.#lines, now) ?? Number.POSITIVE_INFINITY
    this.#active = { line, from: now, until }
    return line
  }

  /** The versions that may sign or encrypt at `now`, or will without anything happening before. */
  protecting(now: Instant): readonly VersionRecord[] {
    return this.#inState((state) => state === 'active' || state === 'pre-activation', now)
  }

  /** The versions that may verify or decrypt at `now`. */
  processing(now: Instant): readonly VersionRecord[] {
    return this.#inState(mayProcess, now)
  }

  #inState(accepts: (state: ReturnType<typeof stateAt>) => boolean, now: Instant): readonly VersionRecord[] {
    return this.#lines.filter((line) => accepts(stateAt(line, now))).map((line) => line.version)
  }
}

/** What a backend that anybody may have written must not get wrong. */
function checkRecord(key: KeyRecord): void {
  const where = formatKeyRef(key.ref)
  try {
    keyOf(key.versions)
  } catch (error) {
    throw new IntegrityError(where, error instanceof KeyturnError ? error.message : 'it cannot be read')
  }
  const kids = new Set<string>()
  for (const line of timelinesOf(key.versions)) {
    const { ref, kid, publicJwk } = line.version
    if (!isSameKey(ref, key.ref))
      throw new IntegrityError(where, `${formatVersionRef(ref)} is among its versions`)
    if (!isHidden(line) && kid !== kidOf(ref, publicJwk)) {
      throw new IntegrityError(formatVersionRef(ref), 'the kid is not that of the version')
    }
    if (kids.has(kid)) throw new IntegrityError(where, 'two of its versions share a kid')
    kids.add(kid)
  }
}

/** A cloud may show no public key of a version that it stopped; nothing is verified with such a version either. */
function isHidden({ version, suspended, compromised, destroyed }: Timeline): boolean {
  const isStopped = suspended || compromised || destroyed
  return isStopped && version.publicJwk === undefined && isAsymmetric(version.algorithm)
}
