import { createKeyJwksDocument, serializeJwks } from '../../src/jwks/document.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import type { Stage } from '../keyring/support.ts'

/** The JWK Set of a key at this moment. */
export async function publishedBy({ test, clock }: Stage, name = 'tokens'): Promise<string> {
  const key = await test.real.readKey(parseKeyRef(`production/sign/${name}`))
  if (!key) throw new Error('there is no such key')
  return serializeJwks(createKeyJwksDocument(key, { now: clock.now() / 1000 }).document)
}

/** Well-formed tokens whose kids no key of ours has. */
export function forgeries(count: number): string[] {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return Array.from({ length: count }, (_, index) => {
    const header = { alg: 'ES256', kid: `kid-${index}`, typ: 'JWT' }
    return `${encode(header)}.${encode({ sub: 'x' })}.${Buffer.alloc(64, 1).toString('base64url')}`
  })
}
