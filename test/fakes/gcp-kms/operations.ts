import { checksummed, verified, type WireChecksum } from './checksum.ts'
import { checkSize } from './rules.ts'
import { invalid } from './status.ts'
import type { Store } from './store.ts'

type Checksum = WireChecksum | null

interface SignRequest {
  readonly name: string
  readonly digest: Readonly<Partial<Record<'sha256' | 'sha384' | 'sha512', Uint8Array>>> | null
  readonly digestCrc32c: Checksum
  readonly data: Uint8Array
  readonly dataCrc32c: Checksum
}

interface EncryptRequest {
  readonly name: string
  readonly plaintext: Uint8Array
  readonly plaintextCrc32c: Checksum
  readonly additionalAuthenticatedData: Uint8Array
  readonly additionalAuthenticatedDataCrc32c: Checksum
}

interface DecryptRequest {
  readonly name: string
  readonly ciphertext: Uint8Array
  readonly ciphertextCrc32c: Checksum
  readonly additionalAuthenticatedData: Uint8Array
  readonly additionalAuthenticatedDataCrc32c: Checksum
}

interface MacRequest {
  readonly name: string
  readonly data: Uint8Array
  readonly dataCrc32c: Checksum
}

/** What the service does with key material, on real key material. */
export class Operations {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  getPublicKey({
    name,
    publicKeyFormat,
  }: {
    readonly name: string
    readonly publicKeyFormat: string
  }): object {
    const { algorithm } = this.#store.version(name)
    const material = this.#store.use(name)
    if (!['ASYMMETRIC_SIGN', 'ASYMMETRIC_DECRYPT'].includes(material.algorithm.purpose))
      throw invalid(`${name} has no public key.`)
    const isPostQuantum = material.algorithm.family === 'ml-dsa'
    if (publicKeyFormat === 'PUBLIC_KEY_FORMAT_UNSPECIFIED') {
      if (isPostQuantum) throw invalid(`A format must be given for the public key of ${name}.`)
      const pem = material.publicPem()
      return { name, algorithm, publicKeyFormat: 'PEM', pem, pemCrc32c: checksummed(Buffer.from(pem)) }
    }
    if (publicKeyFormat !== (isPostQuantum ? 'NIST_PQC' : 'PEM'))
      throw invalid(`The public key of ${name} has no format ${publicKeyFormat}.`)
    // Once a format is asked for, the key comes in a field of its own, and not as `pem`.
    const data = isPostQuantum ? material.publicBytes() : Buffer.from(material.publicPem())
    return { name, algorithm, publicKeyFormat, publicKey: { data, crc32cChecksum: checksummed(data) } }
  }

  asymmetricSign({ name, digest, digestCrc32c, data, dataCrc32c }: SignRequest): object {
    const material = this.#store.use(name)
    const { purpose, hash } = material.algorithm
    requirePurpose(name, purpose, 'ASYMMETRIC_SIGN')
    if (hash === undefined) {
      if (digest) throw invalid(`${name} signs data, and no digest.`)
      checkSize('data', data, this.#levelOf(name))
      const verifiedDataCrc32c = verified('data', data, dataCrc32c)
      return { name, verifiedDataCrc32c, ...signatureOf(material.signData(data)) }
    }
    const bytes = digest?.[hash]
    if (!bytes?.length) throw invalid(`${name} signs a digest of ${hash}.`)
    const verifiedDigestCrc32c = verified('digest', bytes, digestCrc32c)
    return { name, verifiedDigestCrc32c, ...signatureOf(material.signDigest(bytes)) }
  }

  macSign({ name, data, dataCrc32c }: MacRequest): object {
    const material = this.#store.use(name)
    requirePurpose(name, material.algorithm.purpose, 'MAC')
    checkSize('data', data, this.#levelOf(name))
    const verifiedDataCrc32c = verified('data', data, dataCrc32c)
    const mac = material.mac(data)
    return { name, mac, macCrc32c: checksummed(mac), verifiedDataCrc32c }
  }

  macVerify({
    name,
    data,
    dataCrc32c,
    mac,
    macCrc32c,
  }: MacRequest & { mac: Uint8Array; macCrc32c: Checksum }): object {
    const material = this.#store.use(name)
    requirePurpose(name, material.algorithm.purpose, 'MAC')
    checkSize('data', data, this.#levelOf(name))
    checkSize('mac', mac, this.#levelOf(name))
    const success = material.verifyMac(data, mac)
    return {
      name,
      success,
      verifiedSuccessIntegrity: success,
      verifiedDataCrc32c: verified('data', data, dataCrc32c),
      verifiedMacCrc32c: verified('mac', mac, macCrc32c),
    }
  }

  encrypt(request: EncryptRequest): object {
    const { name, plaintext, additionalAuthenticatedData: context } = request
    if (!name.includes('/cryptoKeyVersions/'))
      throw invalid('Only native versions encrypt here: none is primary.')
    const material = this.#store.use(name)
    requirePurpose(name, material.algorithm.purpose, 'ENCRYPT_DECRYPT')
    checkSize('plaintext', plaintext, this.#levelOf(name))
    const verifiedPlaintextCrc32c = verified('plaintext', plaintext, request.plaintextCrc32c)
    const ciphertext = material.encrypt(plaintext, context)
    return {
      name,
      ciphertext,
      ciphertextCrc32c: checksummed(ciphertext),
      verifiedPlaintextCrc32c,
      verifiedAdditionalAuthenticatedDataCrc32c: verifiedContext(
        context,
        request.additionalAuthenticatedDataCrc32c,
      ),
    }
  }

  decrypt(request: DecryptRequest): object {
    const { name, ciphertext, additionalAuthenticatedData: context } = request
    const key = this.#store.key(name)
    requirePurpose(name, key.purpose, 'ENCRYPT_DECRYPT')
    checkSize('ciphertext', ciphertext, key.protectionLevel)
    verified('ciphertext', ciphertext, request.ciphertextCrc32c)
    verifiedContext(context, request.additionalAuthenticatedDataCrc32c)
    const [version] = key.versions.filter(({ material }) => material?.made(ciphertext))
    // A ciphertext of nobody's is decrypted by the first version, which fails as any other would.
    const material = this.#store.use(version?.name ?? `${name}/cryptoKeyVersions/1`)
    const plaintext = material.decrypt(ciphertext, context)
    return { plaintext, plaintextCrc32c: checksummed(plaintext), usedPrimary: true }
  }

  asymmetricDecrypt({ name, ciphertext, ciphertextCrc32c }: DecryptRequest): object {
    const material = this.#store.use(name)
    requirePurpose(name, material.algorithm.purpose, 'ASYMMETRIC_DECRYPT')
    checkSize('ciphertext', ciphertext, this.#levelOf(name))
    const verifiedCiphertextCrc32c = verified('ciphertext', ciphertext, ciphertextCrc32c)
    const plaintext = material.asymmetricDecrypt(ciphertext)
    return { plaintext, plaintextCrc32c: checksummed(plaintext), verifiedCiphertextCrc32c }
  }

  #levelOf(version: string): string {
    return this.#store.key(version.replace(/\/cryptoKeyVersions\/[^/]*$/, '')).protectionLevel
  }
}

function requirePurpose(name: string, purpose: string, needed: string): void {
  if (purpose !== needed) throw invalid(`${name} has the purpose ${purpose}, and this needs ${needed}.`)
}

function signatureOf(signature: Uint8Array): object {
  return { signature, signatureCrc32c: checksummed(signature) }
}

function verifiedContext(context: Uint8Array, checksum: Checksum): boolean {
  return verified('additional_authenticated_data', context, checksum)
}
