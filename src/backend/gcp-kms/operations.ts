import { createHash } from 'node:crypto'
import { BackendError } from '../../errors.ts'
import type { CallOptions } from '../backend.ts'
import { type Calls, DamagedError } from './calls.ts'
import type { GcpKmsClient } from './client.ts'
import { crc32c } from './crc32c.ts'
import { nativeNameOf } from './names.ts'
import { requireName } from './service.ts'

/** A 64-bit number that may be absent, as protobuf wraps it. */
type Checksum = { readonly value?: unknown } | null | undefined

/** The members of responses that are read here. All are unknown until they are checked. */
interface WireAnswer {
  readonly name?: unknown
  readonly publicKey?: { readonly data?: unknown; readonly crc32cChecksum?: Checksum } | null
  readonly signature?: unknown
  readonly signatureCrc32c?: Checksum
  readonly mac?: unknown
  readonly macCrc32c?: Checksum
  readonly ciphertext?: unknown
  readonly ciphertextCrc32c?: Checksum
  readonly plaintext?: unknown
  readonly plaintextCrc32c?: Checksum
  readonly success?: unknown
  readonly verifiedSuccessIntegrity?: unknown
  readonly verifiedDigestCrc32c?: unknown
  readonly verifiedDataCrc32c?: unknown
  readonly verifiedMacCrc32c?: unknown
  readonly verifiedPlaintextCrc32c?: unknown
  readonly verifiedCiphertextCrc32c?: unknown
  readonly verifiedAdditionalAuthenticatedDataCrc32c?: unknown
}

type Hash = 'sha256' | 'sha384' | 'sha512'

/**
 * What Cloud KMS does with key material. All data goes with its CRC-32C, and the service has to say that it checked it; all
 * data that comes back is checked against the CRC-32C beside it. What does not match is asked for once more, and then refused.
 */
export class KmsOperations {
  readonly #client: GcpKmsClient
  readonly #calls: Calls

  constructor(client: GcpKmsClient, calls: Calls) {
    this.#client = client
    this.#calls = calls
  }

  async publicKey(
    cryptoKey: string,
    format: 'PEM' | 'NIST_PQC',
    options: CallOptions | undefined,
  ): Promise<Buffer> {
    const name = nativeNameOf(cryptoKey)
    const what = `read the public key of ${name}`
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.getPublicKey(
          { name, publicKeyFormat: format },
          gax,
        )
        requireName(answer.name, name)
        return received(what, answer.publicKey?.data, answer.publicKey?.crc32cChecksum)
      },
      options,
    )
  }

  /** @param hash the digest that the algorithm takes; undefined where it takes the data itself */
  async sign(
    cryptoKey: string,
    data: Uint8Array,
    hash: Hash | undefined,
    options: CallOptions | undefined,
  ): Promise<Buffer> {
    const name = nativeNameOf(cryptoKey)
    const what = `sign with ${name}`
    const bytes = hash ? createHash(hash).update(data).digest() : data
    const request = hash
      ? { name, digest: { [hash]: bytes }, digestCrc32c: checksumOf(bytes) }
      : { name, data: bytes, dataCrc32c: checksumOf(bytes) }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.asymmetricSign(request, gax)
        requireName(answer.name, name)
        requireVerified(what, hash ? answer.verifiedDigestCrc32c : answer.verifiedDataCrc32c)
        return received(what, answer.signature, answer.signatureCrc32c)
      },
      options,
    )
  }

  async mac(cryptoKey: string, data: Uint8Array, options: CallOptions | undefined): Promise<Buffer> {
    const name = nativeNameOf(cryptoKey)
    const what = `make a MAC with ${name}`
    const request = { name, data, dataCrc32c: checksumOf(data) }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.macSign(request, gax)
        requireName(answer.name, name)
        requireVerified(what, answer.verifiedDataCrc32c)
        return received(what, answer.mac, answer.macCrc32c)
      },
      options,
    )
  }

  async verifyMac(
    cryptoKey: string,
    data: Uint8Array,
    mac: Uint8Array,
    options: CallOptions | undefined,
  ): Promise<boolean> {
    const name = nativeNameOf(cryptoKey)
    const what = `verify a MAC with ${name}`
    const request = { name, data, dataCrc32c: checksumOf(data), mac, macCrc32c: checksumOf(mac) }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.macVerify(request, gax)
        requireName(answer.name, name)
        requireVerified(what, answer.verifiedDataCrc32c)
        requireVerified(what, answer.verifiedMacCrc32c)
        const success = answer.success === true
        // The service repeats the verdict, so that one flipped bit is noticed.
        if (answer.verifiedSuccessIntegrity !== success) throw new DamagedError(what)
        return success
      },
      options,
    )
  }

  /** @param context authenticated with the plaintext, and not part of the ciphertext */
  async encrypt(
    cryptoKey: string,
    plaintext: Uint8Array,
    context: Uint8Array,
    options: CallOptions | undefined,
  ): Promise<Buffer> {
    const name = nativeNameOf(cryptoKey)
    const what = `encrypt with ${name}`
    const request = { name, plaintext, plaintextCrc32c: checksumOf(plaintext), ...authenticated(context) }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.encrypt(request, gax)
        requireName(answer.name, name)
        requireVerified(what, answer.verifiedPlaintextCrc32c)
        requireVerified(what, answer.verifiedAdditionalAuthenticatedDataCrc32c)
        return received(what, answer.ciphertext, answer.ciphertextCrc32c)
      },
      options,
    )
  }

  async decrypt(
    cryptoKey: string,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options: CallOptions | undefined,
  ): Promise<Buffer> {
    const what = `decrypt with ${cryptoKey}`
    // A ciphertext names its native version itself, so the service takes no name of one here.
    const request = {
      name: cryptoKey,
      ciphertext,
      ciphertextCrc32c: checksumOf(ciphertext),
      ...authenticated(context),
    }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.decrypt(request, gax)
        return received(what, answer.plaintext, answer.plaintextCrc32c)
      },
      options,
    )
  }

  async asymmetricDecrypt(
    cryptoKey: string,
    ciphertext: Uint8Array,
    options: CallOptions | undefined,
  ): Promise<Buffer> {
    const name = nativeNameOf(cryptoKey)
    const what = `decrypt with ${name}`
    const request = { name, ciphertext, ciphertextCrc32c: checksumOf(ciphertext) }
    return this.#calls.run(
      what,
      async (gax) => {
        const [answer]: [WireAnswer, ...unknown[]] = await this.#client.asymmetricDecrypt(request, gax)
        requireVerified(what, answer.verifiedCiphertextCrc32c)
        return received(what, answer.plaintext, answer.plaintextCrc32c)
      },
      options,
    )
  }
}

function checksumOf(data: Uint8Array): { readonly value: number } {
  return { value: crc32c(data) }
}

function authenticated(context: Uint8Array): object {
  return { additionalAuthenticatedData: context, additionalAuthenticatedDataCrc32c: checksumOf(context) }
}

/** A service that did not look at the checksum cannot have noticed damage on the way. */
function requireVerified(what: string, verified: unknown): void {
  if (verified !== true) throw new DamagedError(what)
}

function received(what: string, data: unknown, checksum: Checksum): Buffer {
  if (!(data instanceof Uint8Array))
    throw new BackendError('invalid', `Cloud KMS did not ${what}: its answer has no data`)
  if (Number(checksum?.value) !== crc32c(data)) throw new DamagedError(what)
  return Buffer.from(data)
}
