import type { IncomingMessage, ServerResponse } from 'node:http'
import { KmsError } from './errors.ts'
import type { Principal } from './principals.ts'
import type { KmsService } from './service.ts'

/** What the head of a request says: AWS Signature Version 4 and the target of JSON 1.1. */
export interface Head {
  readonly principal: Principal
  readonly region: string
  readonly isSts: boolean
  readonly target: string
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)\/\d{8}\/([a-z0-9-]+)\/(kms|sts)\/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$/

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

export function readHead(request: IncomingMessage, service: KmsService): Head {
  const { headers } = request
  if (headers.authorization === undefined) {
    throw new KmsError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  const [, accessKeyId, region, name] = AUTHORIZATION.exec(headers.authorization) ?? []
  if (!accessKeyId || !region || !name || headers['x-amz-date'] === undefined) {
    throw new KmsError('IncompleteSignatureException', 'The authorization header is malformed')
  }
  const token = headers['x-amz-security-token']
  const now = service.clock.now()
  const principal = service.principals.find(accessKeyId, typeof token === 'string' ? token : undefined, now)
  return { principal, region, isSts: name === 'sts', target: readTarget(headers['x-amz-target']) }
}

function readTarget(target: string | readonly string[] | undefined): string {
  return typeof target === 'string' && target.startsWith('TrentService.')
    ? target.slice('TrentService.'.length)
    : ''
}

export function answer(
  response: ServerResponse,
  status: number,
  { body, requestId, type }: { readonly body: string; readonly requestId: string; readonly type: string },
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': requestId,
  })
  response.end(body)
}

export const JSON_TYPE = 'application/x-amz-json-1.1'
export const XML_TYPE = 'text/xml'

export function errorBody({ name, message }: KmsError): string {
  return JSON.stringify({ __type: name, ...(message === '' ? {} : { message }) })
}
