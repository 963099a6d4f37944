import type { CallOptions } from '../../backend/backend.ts'
import { BackendError, StateError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import { isSignPolicy } from '../../key/policy.ts'
import type { KeyRecord } from '../../key/record.ts'
import { type JwksPublication, serializeJwks } from '../document.ts'
import { revisionOf } from './revision.ts'
import type { JwksTarget, Publication, Published } from './target.ts'

const ATTEMPTS = 10

export interface PublishOptions extends CallOptions {
  /** When the records were read. */
  readonly now: Instant
  /** Also replaces a document that Keyturn did not write. */
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
 * @throws StateError when what is published was made of newer records, or by somebody else
 * @throws BackendError when the target fails, or others write faster than this can
 */
export async function publishJwks(
  target: JwksTarget,
  keys: readonly KeyRecord[],
  publication: JwksPublication,
  options: PublishOptions,
): Promise<PublishOutcome> {
  const wanted: Publication = {
    body: serializeJwks(publication.document),
    mark: { revision: revisionOf(keys), asOf: options.now },
    cacheControl: `public, max-age=${maxAgeOf(keys)}`,
  }
  const count = publication.document.keys.length
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const present = await target.read(options)
    if (present && !isNeeded(present, wanted, target, options)) return { changed: false, keys: count }
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
  options: PublishOptions,
): boolean {
  if (!present.mark) {
    if (present.body === wanted.body || options.takeOver) return true
    throw new StateError(`${name} holds something that Keyturn did not write, and is not replaced`, {
      advice: 'Publish elsewhere, or look at it and replace it with --take-over',
    })
  }
  if (present.mark.revision > wanted.mark.revision) {
    throw new StateError(`${name} was made of newer records than these, and is not replaced`, {
      advice: 'Find out why the records here are behind: a restored copy, another store, stale reads',
    })
  }
  if (present.mark.revision < wanted.mark.revision) return true
  // The same records: only the clock tells two documents apart.
  return present.body !== wanted.body && present.mark.asOf <= wanted.mark.asOf
}

/** The shortest of all keys: one document has one lifetime. */
function maxAgeOf(keys: readonly KeyRecord[]): number {
  const ages = keys.flatMap(({ versions }) =>
    versions.map(({ policy }) => (isSignPolicy(policy) ? policy.jwksMaxAge : Number.POSITIVE_INFINITY)),
  )
  return Math.min(...ages)
}
