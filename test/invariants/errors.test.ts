import { describe, expect, it } from 'vitest'
import * as errors from '../../src/errors.ts'

const CAUSE = 'what an SDK said, which may hold anything'

/** One of each class, made with a cause where it takes one. */
const made: readonly (readonly [string, errors.KeyturnError])[] = Object.entries(errors).map(
  ([name, type]) => {
    const options = { cause: Object.assign(new Error(CAUSE), { detail: CAUSE }), advice: 'Do this' }
    const Type = type as unknown as new (...parameters: readonly unknown[]) => errors.KeyturnError
    if (Type === (errors.DecryptionError as unknown)) return [name, new Type()]
    if (Type === (errors.ClosedError as unknown)) return [name, new Type('the keyring')]
    const takesTwo = [
      'KeyturnError',
      'IntegrityError',
      'RolledBackError',
      'TokenError',
      'ClaimsError',
      'BackendError',
    ]
    return [name, takesTwo.includes(name) ? new Type('first', 'why', options) : new Type('why', options)]
  },
)

describe('an error', () => {
  it.each(made)('%s says what Keyturn says, and not what its cause says', (name, error) => {
    expect(error).toBeInstanceOf(errors.KeyturnError)
    expect(error.name).toBe(name)
    expect(error.code).not.toBe('')
    for (const text of [error.message, String(error), JSON.stringify(error), JSON.stringify({ error })]) {
      expect(text).not.toContain(CAUSE)
    }
    expect(Object.keys(JSON.parse(JSON.stringify(error)))).toEqual(['name', 'code', 'message'])
  })

  it('is the same for every decryption that fails: no cause, no property that tells which step it was', () => {
    const error = new errors.DecryptionError()
    expect(error.cause).toBeUndefined()
    expect(Object.keys(error).sort()).toEqual(['advice', 'code', 'name'])
  })
})
