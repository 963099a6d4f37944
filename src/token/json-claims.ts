import { ClaimsError } from '../errors.ts'

/** What parseStrictJson reads back. */
const MAX_DEPTH = 32

/**
 * Checks that claims survive JSON unchanged. `JSON.stringify` would drop an undefined member, turn NaN into null and a
 * date into a string, and a signed token would say something else than its author meant.
 *
 * @throws ClaimsError naming the claim
 */
export function checkJsonClaims(claims: unknown): void {
  if (!isPlainObject(claims)) throw new ClaimsError('', 'the claims are not a plain object')
  requireNoConversion(claims, '')
  for (const name of Object.keys(claims)) checkValue(claims[name], name, 2)
}

function checkValue(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) throw unfit(path, 'is not a finite number')
      return
    case 'object':
      if (value !== null) checkMembers(value, path, depth)
      return
    default:
      throw unfit(path, value === undefined ? 'is undefined' : `is a ${typeof value}`)
  }
}

function checkMembers(value: object, path: string, depth: number): void {
  if (depth > MAX_DEPTH) throw unfit(path, `nests deeper than ${MAX_DEPTH}, or contains itself`)
  requireNoConversion(value, path)
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) checkValue(value[index], path, depth + 1)
    return
  }
  if (!isPlainObject(value)) throw unfit(path, 'is an object of a class')
  for (const name of Object.keys(value)) checkValue(value[name], `${path}.${name}`, depth + 1)
}

/** An object whose own members are all that it has. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Objects from another realm, such as a test runner's, have an Object.prototype of their own.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** `JSON.stringify` would write what toJSON returns, and not what was looked at. */
function requireNoConversion(value: object, path: string): void {
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    throw unfit(path, 'has a toJSON of its own')
}

function unfit(path: string, what: string): ClaimsError {
  return new ClaimsError(path, `the claim ${JSON.stringify(path)} ${what}, which JSON cannot carry`, {
    advice: 'Leave it out, or give a string, a number, a boolean, null, a list or a plain object',
  })
}
