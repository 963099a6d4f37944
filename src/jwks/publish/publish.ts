import type { CallOptions } from '../../backend/backend.ts'
import { BackendError, EnvironmentMismatchError, InvalidInputError, StateError } from '../../errors.ts'
import { formatInstant, type Instant, type Seconds } from '../../key/duration.ts'
import { isSignPolicy } from '../../key/policy.ts'
import type { KeyRecord } from '../../key/record.ts'
import { type JwksPublication, serializeJwks } from '../document.ts'
import { revisionOf } from './revision.ts'
import type { JwksTarget, Publication, Published } from './target.ts'

const ATTEMPTS = 10

export interface PublishOptions extends CallOptions {
  /** When the records were read. */
  readonly now: Instant
  /** Also replaces a document that Keyturn did not write, that is of another environment, or whose time has not come yet. */
  readonly takeOver?: boolean | undefined
}

export interface PublishOutcome {
  /** False where the same document is published already, or one that was made later of the same records. */
  readonly changed: boolean
  readonly keys: number
}

/**
 * Publishes a JWKS, and never an older one over a newer one: whoever knows less of the keys than what is published already
 * is refused, however the two race.
 *
 * @param keys the keys that `publication` was made of
 * @throws StateError when what is published was made of newer records, at a time that has not come yet, or by somebody else
 * @throws EnvironmentMismatchError when it is of another environment
 * @throws InvalidInputError without any key
 * @throws BackendError when the target fails, or others write faster than this can
 */
export async function publishJwks(
  target: JwksTarget,
  keys: readonly KeyRecord[],
  publication: JwksPublication,
  options: PublishOptions,
): Promise<PublishOutcome> {
  const [first] = keys
  if (!first) throw new InvalidInputError('there is no key to publish')
  const { environment } = first.ref
  const wanted: Publication = {
    body: serializeJwks(publication.document),
    mark: { environment, revision: revisionOf(keys), asOf: options.now },
    cacheControl: `public, max-age=${maxAgeOf(keys)}`,
  }
  const count = publication.document.keys.length
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const present = await target.read(options)
    if (present && !isNeeded(present, wanted, target, skewOf(keys), options))
      return { changed: false, keys: count }
    if (await target.write(wanted, present?.tag, options)) return { changed: true, keys: count }
  }
  throw new BackendError('conflict', `${target.name} was changed by others ${ATTEMPTS} times in a row`, {
    advice: 'See who publishes there, and try again',
  })
}

function isNeeded(
  present: Published,
  wanted: Publication,
  { name }: JwksTarget,
  skew: Seconds,
  options: PublishOptions,
): boolean {
  if (!present.mark) {
    if (present.body === wanted.body || options.takeOver) return true
    throw new StateError(`${name} holds something that Keyturn did not write, and is not replaced`, {
      advice: 'Publish elsewhere, or look at it and replace it with --take-over',
    })
  }
  if (present.mark.environment !== wanted.mark.environment) {
    if (options.takeOver) return true
    throw new EnvironmentMismatchError(
      `${name} has the keys of ${present.mark.environment}, and those of ${wanted.mark.environment} do not replace them`,
      { advice: 'Publish elsewhere: whoever trusts that place would trust another environment' },
    )
  }
  if (present.mark.revision > wanted.mark.revision) {
    throw new StateError(`${name} was made of newer records than these, and is not replaced`, {
      advice: 'Find out why the records here are behind: a restored copy, another store, stale reads',
    })
  }
  if (present.mark.revision < wanted.mark.revision) return true
  // The same records: only the clock tells two documents apart.
  if (present.body === wanted.body) return false
  if (present.mark.asOf <= wanted.mark.asOf) return true
  if (present.mark.asOf <= wanted.mark.asOf + skew) return false
  if (options.takeOver) return true
  // Left there, it would lack keys that are still needed, or show expired ones, until that time comes.
  throw new StateError(
    `${name} was made of the same records at ${formatInstant(present.mark.asOf)}, which is yet to come`,
    {
      advice: 'Find out whose clock is wrong. If it is not that of this host, replace it with --take-over',
    },
  )
}

/** By how much two clocks may differ. */
function skewOf(keys: readonly KeyRecord[]): Seconds {
  return 2 * Math.max(...keys.flatMap(({ versions }) => versions.map(({ policy }) => policy.clockSkew)))
}

/** The shortest of all keys: one document has one lifetime. */
function maxAgeOf(keys: readonly KeyRecord[]): number {
  const ages = keys.flatMap(({ versions }) =>
    versions.map(({ policy }) => (isSignPolicy(policy) ? policy.jwksMaxAge : Number.POSITIVE_INFINITY)),
  )
  return Math.min(...ages)
}
