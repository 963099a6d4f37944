import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RemoteKeysOptions } from '../../../src/jwks/remote/keys.ts'
import { createJwksVerifier, type RemoteJwksVerifier } from '../../../src/jwks/verifier.ts'
import { type Stage, setStage } from '../../keyring/support.ts'
import { publishedBy } from '../support.ts'

export type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A server at the URL of a JWK Set, which answers as it is told. */
export interface JwksHost {
  readonly url: string
  /** The requests that came. */
  readonly requests: IncomingMessage[]
  answer: Answer
  close(): Promise<void>
}

export async function startHost(answer: Answer): Promise<JwksHost> {
  const requests: IncomingMessage[] = []
  const server: Server = createServer((request, response) => {
    requests.push(request)
    response.on('error', () => undefined)
    host.answer(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host: JwksHost = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys/tokens/jwks.json`,
    requests,
    answer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return host
}

/** An answer as a decent server gives it. */
export function document(text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/jwk-set+json', ...headers }).end(text)
  }
}

export interface RemoteStage extends Stage {
  readonly host: JwksHost
  readonly verifier: RemoteJwksVerifier
  /** What the verifier said. */
  readonly said: string[]
  /** What the document says now. */
  publish(): Promise<string>
  close(): Promise<void>
}

/** A key, its JWK Set on a server, and a verifier that has only the URL. All of them go by one clock. */
export async function setRemoteStage(options: Partial<RemoteKeysOptions> = {}): Promise<RemoteStage> {
  const stage = await setStage()
  await stage.create('sign/tokens')
  const publish = (): Promise<string> => publishedBy(stage)
  const host = await startHost(document(await publish()))
  const said: string[] = []
  const verifier = createJwksVerifier({
    url: host.url,
    issuer: 'urn:keyturn:production',
    audience: 'api',
    clock: stage.clock,
    onWarning: ({ message }) => said.push(message),
    ...options,
  })
  const close = async (): Promise<void> => {
    await verifier.close()
    await host.close()
  }
  return { ...stage, host, verifier, said, publish, close }
}
