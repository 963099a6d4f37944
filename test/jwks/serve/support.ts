import {
  type JwksPublisher,
  type JwksPublisherOptions,
  openJwksPublisher,
} from '../../../src/jwks/serve/publisher.ts'
import type { ServedDocument } from '../../../src/jwks/serve/served.ts'
import { type Stage, setStage } from '../../keyring/support.ts'

export interface PublisherStage extends Stage {
  /** What the publisher said. */
  readonly said: string[]
  open(options?: Partial<JwksPublisherOptions>): Promise<JwksPublisher>
}

/** A backend in memory, a clock, and publishers over both. */
export async function setPublisherStage(): Promise<PublisherStage> {
  const stage = await setStage()
  const said: string[] = []
  return {
    ...stage,
    said,
    open: (options = {}) =>
      openJwksPublisher({
        environment: 'production',
        backend: stage.test.backend,
        clock: stage.clock,
        onWarning: ({ message }) => said.push(message),
        ...options,
      }),
  }
}

export function served(publisher: JwksPublisher, key?: string): ServedDocument {
  const found = publisher.find(key)
  if (found.status !== 'served') throw new Error(`${found.status}: ${found.message}`)
  return found
}

export function kidsIn(text: string | Uint8Array): readonly string[] {
  const { keys } = JSON.parse(Buffer.from(text).toString('utf8'))
  return keys.map(({ kid }: { kid: string }) => kid)
}
