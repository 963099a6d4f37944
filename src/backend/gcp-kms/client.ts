/**
 * A KeyManagementServiceClient of `@google-cloud/kms` 5 or 6, as far as this backend uses it, in types of its own: this file
 * is part of the types of the whole package, and the SDK is optional. Enums are their names, 64-bit numbers are decimal
 * strings, and bytes are Buffers, as that client gives them over gRPC unless told otherwise.
 */
export interface GcpKmsClient {
  createKeyRing(request: { parent: string; keyRingId: string; keyRing: object }, options?: GaxOptions): Reply
  createCryptoKey(
    request: { parent: string; cryptoKeyId: string; cryptoKey: object },
    options?: GaxOptions,
  ): Reply<WireCryptoKey>
  getCryptoKey(request: Named, options?: GaxOptions): Reply<WireCryptoKey>
  listCryptoKeys(request: ListRequest, options?: GaxOptions): Reply<readonly WireCryptoKey[], WirePage>
  updateCryptoKey(
    request: { cryptoKey: { name: string; labels: Record<string, string> }; updateMask: FieldMask },
    options?: GaxOptions,
  ): Reply<WireCryptoKey>
  getCryptoKeyVersion(request: Named, options?: GaxOptions): Reply<WireVersion>
  listCryptoKeyVersions(request: ListRequest, options?: GaxOptions): Reply<readonly WireVersion[], WirePage>
  updateCryptoKeyVersion(
    request: { cryptoKeyVersion: { name: string; state: 'ENABLED' | 'DISABLED' }; updateMask: FieldMask },
    options?: GaxOptions,
  ): Reply<WireVersion>
  destroyCryptoKeyVersion(request: Named, options?: GaxOptions): Reply<WireVersion>
  restoreCryptoKeyVersion(request: Named, options?: GaxOptions): Reply<WireVersion>
  getPublicKey(request: Named & { publicKeyFormat?: 'PEM' | 'NIST_PQC' }, options?: GaxOptions): Reply<object>
  encrypt(request: Named & object, options?: GaxOptions): Reply<object>
  decrypt(request: Named & object, options?: GaxOptions): Reply<object>
  asymmetricSign(request: Named & object, options?: GaxOptions): Reply<object>
  asymmetricDecrypt(request: Named & object, options?: GaxOptions): Reply<object>
  macSign(request: Named & object, options?: GaxOptions): Reply<object>
  macVerify(request: Named & object, options?: GaxOptions): Reply<object>
  close(): Promise<void>
}

/** The first is the response; what follows is the request that was sent and, of a page, the raw response. */
type Reply<T = object, Raw = unknown> = Promise<[T, unknown, Raw]>

/** Options of one call, as `google-gax` takes them. */
export interface GaxOptions {
  /** Milliseconds. */
  readonly timeout?: number
  /** Null: the client must not retry by itself. */
  readonly retry?: null
  /** Off: one page for one call. */
  readonly autoPaginate?: boolean
}

interface Named {
  name: string
}

interface FieldMask {
  paths: string[]
}

interface ListRequest {
  parent: string
  pageSize?: number
  pageToken?: string
  filter?: string
}

export interface WirePage {
  readonly nextPageToken?: string | null
}

type Text = string | null | undefined

export interface WireTimestamp {
  readonly seconds?: unknown
}

export interface WireCryptoKey {
  readonly name?: Text
  readonly purpose?: unknown
  readonly createTime?: WireTimestamp | null
  readonly rotationPeriod?: object | null
  readonly nextRotationTime?: WireTimestamp | null
  readonly versionTemplate?: { readonly protectionLevel?: unknown; readonly algorithm?: unknown } | null
  readonly labels?: Readonly<Record<string, string>> | null
  readonly destroyScheduledDuration?: { readonly seconds?: unknown } | null
}

export interface WireVersion {
  readonly name?: Text
  readonly state?: unknown
  readonly algorithm?: unknown
  readonly protectionLevel?: unknown
  readonly generationFailureReason?: Text
}
