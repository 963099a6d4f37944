import { KmsError } from './errors.ts'

export interface Principal {
  readonly arn: string
  readonly account: string
}

/** In the shape that the SDK takes. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

interface Known {
  readonly principal: Principal
  readonly credentials: Credentials
  readonly expiresAt: number
}

/** Who may call, found by access key. Signatures are required, and not recomputed: this is no test of the SDK. */
export class Principals {
  readonly #known = new Map<string, Known>()
  readonly #letters: (count: number) => string

  constructor(letters: (count: number) => string) {
    this.#letters = letters
  }

  add(principal: Principal, session?: { readonly expiresAt: number }): Credentials {
    const credentials: Credentials = {
      accessKeyId: `${session ? 'ASIA' : 'AKIA'}${this.#letters(16)}`,
      secretAccessKey: this.#letters(40),
      ...(session ? { sessionToken: this.#letters(64) } : {}),
    }
    const expiresAt = session?.expiresAt ?? Number.POSITIVE_INFINITY
    this.#known.set(credentials.accessKeyId, { principal, credentials, expiresAt })
    return credentials
  }

  find(accessKeyId: string, sessionToken: string | undefined, now: number): Principal {
    const known = this.#known.get(accessKeyId)
    if (!known || known.credentials.sessionToken !== sessionToken) {
      throw new KmsError(
        'UnrecognizedClientException',
        'The security token included in the request is invalid.',
      )
    }
    if (known.expiresAt <= now) {
      throw new KmsError('ExpiredTokenException', 'The security token included in the request is expired')
    }
    return known.principal
  }
}
