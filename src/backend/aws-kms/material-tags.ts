import type { VersionRef } from '../../key/ref.ts'
import { TAG_PREFIX, type Tags } from '../../key/tags.ts'

/** The format of the tags of a key whose record is kept elsewhere. It is no version of the AWS KMS backend itself. */
const MATERIAL_FORMAT = 'material-1'

/** Whose a key is. Access policies go by these, as with the keys of the AWS KMS backend itself. */
export function ownerTags(ref: VersionRef): Tags {
  return {
    [`${TAG_PREFIX}format`]: MATERIAL_FORMAT,
    [`${TAG_PREFIX}environment`]: ref.environment,
    [`${TAG_PREFIX}purpose`]: ref.purpose,
    [`${TAG_PREFIX}name`]: ref.name,
    [`${TAG_PREFIX}version`]: String(ref.number),
  }
}

export function materialTags(ref: VersionRef, origin: 'generated' | 'adopted'): Tags {
  return { ...ownerTags(ref), [`${TAG_PREFIX}origin`]: origin }
}

export function isMaterial(tags: Tags): boolean {
  return tags[`${TAG_PREFIX}format`] === MATERIAL_FORMAT
}
