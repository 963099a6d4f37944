import { randomBytes } from 'node:crypto'
import { InvalidInputError } from '../../errors.ts'
import { isVersionEventType, type VersionEventType } from '../../key/record.ts'
import { TAG_PREFIX, type Tags } from '../../key/tags.ts'

/** Tells who created a crypto key, where the reply to its creation got lost. */
const CREATION = `${TAG_PREFIX}creation`
/** The thumbprint of the public key, since the service shows no public key of a version that is disabled or destroyed. */
const THUMBPRINT = `${TAG_PREFIX}thumbprint`

const THUMBPRINT_BYTES = 32

/** The labels of a crypto key, told apart: those that every cloud has as tags, and those that only this one needs. */
export interface SortedLabels {
  readonly tags: Tags
  /** RFC 7638, base64url. */
  readonly thumbprint?: string
}

/** @throws InvalidInputError */
export function sortLabels(labels: Tags): SortedLabels {
  const { [CREATION]: _, [THUMBPRINT]: thumbprint, ...tags } = labels
  return {
    tags,
    ...(thumbprint === undefined ? {} : { thumbprint: parseThumbprint(thumbprint) }),
  }
}

/** Whose creation a crypto key is, whatever else is wrong with its labels. */
export function creationOf(labels: Tags): string | undefined {
  return labels[CREATION]
}

/** A mark that nobody else makes, for one creation. */
export function newCreationLabel(): { readonly labels: Tags; readonly creation: string } {
  const creation = randomBytes(16).toString('hex')
  return { labels: { [CREATION]: creation }, creation }
}

/** Base 36, since a label has no capital letters, and base 16 would need one character more than a label has. */
export function thumbprintLabel(thumbprint: string): Tags {
  const hex = Buffer.from(thumbprint, 'base64url').toString('hex')
  return { [THUMBPRINT]: BigInt(`0x${hex}`).toString(36) }
}

function parseThumbprint(label: string): string {
  let value = 0n
  for (const digit of label) value = value * 36n + BigInt(Number.parseInt(digit, 36) || 0)
  const hex = value.toString(16).padStart(2 * THUMBPRINT_BYTES, '0')
  const thumbprint = Buffer.from(hex, 'hex').toString('base64url')
  if (hex.length !== 2 * THUMBPRINT_BYTES || thumbprintLabel(thumbprint)[THUMBPRINT] !== label) {
    throw new InvalidInputError(`the tag ${THUMBPRINT} is no thumbprint`)
  }
  return thumbprint
}

/** The order of the latest event of each type: see formatEventTag. */
export function eventOrdersOf(labels: Tags): ReadonlyMap<VersionEventType, number> {
  const orders = new Map<VersionEventType, number>()
  for (const [name, value] of Object.entries(labels)) {
    const type = name.slice(TAG_PREFIX.length)
    if (name.startsWith(TAG_PREFIX) && isVersionEventType(type)) orders.set(type, Number(value.split('_')[1]))
  }
  return orders
}
