import { RolledBackError } from '../../errors.ts'
import type { VersionEventType } from '../../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, type VersionRef } from '../../key/ref.ts'
import { isProtectionLevel, type ProtectionLevel } from './config.ts'
import { eventOrdersOf } from './labels.ts'
import type { CryptoKey, NativeVersion } from './service.ts'

/** What one instance has seen: whoever has seen a version or an event refuses a history without it. */
export class Memory {
  readonly #latest = new Map<string, VersionRef>()
  readonly #orders = new Map<string, ReadonlyMap<VersionEventType, number>>()
  readonly #gone = new Map<string, NativeVersion>()
  readonly #levels = new Map<string, ProtectionLevel>()

  /** The highest version of a key that was seen. */
  latest(ref: KeyRef): number {
    return this.#latest.get(formatKeyRef(ref))?.number ?? 0
  }

  /** Every key that was seen, by its highest version. */
  keys(): readonly VersionRef[] {
    return [...this.#latest.values()]
  }

  sawVersion(ref: VersionRef): void {
    if (ref.number > this.latest(ref)) this.#latest.set(formatKeyRef(ref), { ...ref })
  }

  /** @throws RolledBackError when an event that was seen is missing */
  sawKey(ref: VersionRef, { name, labels, protectionLevel }: CryptoKey): void {
    const orders = eventOrdersOf(labels)
    for (const [type, order] of this.#orders.get(formatVersionRef(ref)) ?? []) {
      if ((orders.get(type) ?? -1) >= order) continue
      throw new RolledBackError(name, `the event ${type} was recorded in its labels, and is gone`, {
        advice:
          'Two changes at once may have overwritten each other: look at the audit log, and record it again',
      })
    }
    this.#orders.set(formatVersionRef(ref), orders)
    if (isProtectionLevel(protectionLevel)) this.#levels.set(name, protectionLevel)
    this.sawVersion(ref)
  }

  protectionLevel(cryptoKey: string): ProtectionLevel | undefined {
    return this.#levels.get(cryptoKey)
  }

  /** A native version that is destroyed stays so, and need not be asked for again. */
  gone(cryptoKey: string): NativeVersion | undefined {
    return this.#gone.get(cryptoKey)
  }

  sawNative(cryptoKey: string, native: NativeVersion): void {
    if (native.state === 'DESTROYED' || native.state === 'GENERATION_FAILED')
      this.#gone.set(cryptoKey, native)
  }
}
