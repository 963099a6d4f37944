import type { CallOptions } from '../../backend/backend.ts'
import type { Instant } from '../../key/duration.ts'

/** What is written beside a published document, to tell an older one from a newer one. */
export interface PublicationMark {
  /** Whose keys they are: those of another environment never replace them. */
  readonly environment: string
  /** See revisionOf. */
  readonly revision: number
  /** When the records were read. */
  readonly asOf: Instant
}

/** A document as it is published now. */
export interface Published {
  readonly body: string
  /** Absent where somebody else wrote it. */
  readonly mark?: PublicationMark
  /** Names this very state of the target, for a conditional write. */
  readonly tag: string
}

export interface Publication {
  readonly body: string
  readonly mark: PublicationMark
  readonly cacheControl: string
}

/** A place that a JWKS is published to, with a compare-and-set. */
export interface JwksTarget {
  /** For people: `s3://bucket/jwks.json`. */
  readonly name: string
  read(options?: CallOptions): Promise<Published | undefined>
  /**
   * Writes if the target is still as it was read: `replaces` is its tag, undefined where there was nothing. Resolves to
   * false where somebody else was faster. Durable when it resolves.
   *
   * @throws BackendError
   */
  write(publication: Publication, replaces: string | undefined, options?: CallOptions): Promise<boolean>
  close(): Promise<void>
}

/** RFC 7517 section 8.5.1. */
export const JWKS_MEDIA_TYPE = 'application/jwk-set+json'

/** The names of the mark among the metadata of an object. */
export const ENVIRONMENT = 'keyturn-environment'
export const REVISION = 'keyturn-revision'
export const AS_OF = 'keyturn-as-of'

export function metadataOf(mark: PublicationMark): Readonly<Record<string, string>> {
  const { environment, revision, asOf } = mark
  return { [ENVIRONMENT]: environment, [REVISION]: String(revision), [AS_OF]: String(asOf) }
}

/** The mark that metadata carry; undefined where they carry none, or one that is malformed. */
export function markOf(metadata: Readonly<Record<string, unknown>> | undefined): PublicationMark | undefined {
  const [revision, asOf] = [metadata?.[REVISION], metadata?.[AS_OF]].map((text) =>
    typeof text === 'string' && /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined,
  )
  const environment = metadata?.[ENVIRONMENT]
  if (typeof environment !== 'string' || revision === undefined || asOf === undefined) return undefined
  return { environment, revision, asOf }
}
