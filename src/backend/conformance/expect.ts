import assert from 'node:assert/strict'
import { KeyturnError } from '../../errors.ts'

type ErrorClass<E extends KeyturnError> = abstract new (...parameters: never[]) => E

/** Expects exactly this class, and a message that a person can act on. Resolves to the error. */
export async function refuses<E extends KeyturnError>(
  work: () => Promise<unknown>,
  type: ErrorClass<E>,
  what: string,
): Promise<E> {
  const error = await failureOf(work, what)
  assert.ok(error instanceof type, `${what}: expected ${type.name}, got ${describe(error)}`)
  assert.ok(error.message.length > 0 && error.code.length > 0, `${what}: the error says nothing`)
  return error
}

/** Expects an error of Keyturn's with one of these codes, where the class depends on how the backend notices. */
export async function refusesWith(
  work: () => Promise<unknown>,
  codes: readonly string[],
  what: string,
): Promise<KeyturnError> {
  const error = await failureOf(work, what)
  assert.ok(error instanceof KeyturnError, `${what}: expected a KeyturnError, got ${describe(error)}`)
  assert.ok(
    codes.includes(error.code),
    `${what}: expected the code ${codes.join(' or ')}, got ${describe(error)}`,
  )
  return error
}

/** Expects any error of Keyturn's own. */
export async function refusesSomehow(work: () => Promise<unknown>, what: string): Promise<KeyturnError> {
  const error = await failureOf(work, what)
  assert.ok(error instanceof KeyturnError, `${what}: expected a KeyturnError, got ${describe(error)}`)
  return error
}

/** What `work` throws; an AssertionError if it does not. */
export async function failureOf(work: () => Promise<unknown>, what: string): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return assert.fail(`${what}: it was not refused`)
}

/** Everything that an async iterable yields. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A copy as plain data, without undefined members. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
