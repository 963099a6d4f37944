import { InvalidInputError } from '../../errors.ts'
import type { Attribution } from '../../key/record.ts'
import { type JsonObject, stringMember } from '../../key/strict-json.ts'

// What entries of every kind say of themselves.

export const ENTRY_FORMAT = 1
export const ENTRY_MEMBERS: readonly string[] = ['format', 'entry', 'type', 'at', 'root', 'epoch', 'previous']
export const ATTRIBUTION_MEMBERS: readonly string[] = ['actor', 'reason']

export function attributionOf({ actor, reason }: Attribution): {
  readonly actor?: string
  readonly reason?: string
} {
  return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
}

/** Reads `actor` and `reason` of an entry. @throws InvalidInputError */
export function parseAttribution(body: JsonObject): Attribution {
  return {
    ...(body.actor === undefined ? {} : { actor: stringMember(body, 'actor') }),
    ...(body.reason === undefined ? {} : { reason: stringMember(body, 'reason') }),
  }
}

/** @throws InvalidInputError */
export function checkFormat(body: JsonObject): void {
  if (body.format !== ENTRY_FORMAT)
    throw new InvalidInputError(`the format ${String(body.format)} is unknown`)
}
