import type { CallOptions, EncryptionHandle, SigningHandle } from '../backend/backend.ts'
import { BackendError } from '../errors.ts'
import type { MaybePromise } from '../material/signature.ts'

/**
 * The handle, with an end to how long each of its calls may take: a service that accepts a request and never answers must not
 * keep whoever wants a token waiting for ever. What a handle does at once is not slowed down.
 *
 * @throws from each call: BackendError `timeout`
 */
export function boundSigning(handle: SigningHandle, timeoutMs: number): SigningHandle {
  const options = optionsWithin(timeoutMs)
  const verify = handle.verify?.bind(handle)
  return Object.freeze<SigningHandle>({
    ref: handle.ref,
    sign: (data) => within(handle.sign(data, options), timeoutMs),
    ...(verify ? { verify: (data, signature) => within(verify(data, signature, options), timeoutMs) } : {}),
  })
}

/** As boundSigning. */
export function boundEncryption(handle: EncryptionHandle, timeoutMs: number): EncryptionHandle {
  const options = optionsWithin(timeoutMs)
  return Object.freeze<EncryptionHandle>({
    ref: handle.ref,
    createContentKey: () => within(handle.createContentKey(options), timeoutMs),
    unwrap: (wrapped) => within(handle.unwrap(wrapped, options), timeoutMs),
  })
}

/** One object for all calls: the deadline is that of the call which asks for it. */
function optionsWithin(timeoutMs: number): CallOptions {
  return {
    get deadline(): number {
      return Date.now() + timeoutMs
    },
  }
}

function within<T>(result: MaybePromise<T>, timeoutMs: number): MaybePromise<T> {
  return result instanceof Promise ? raced(result, timeoutMs) : result
}

async function raced<T>(result: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const giveUp = (): void =>
      reject(
        new BackendError('timeout', `the backend did not answer within ${timeoutMs / 1000}s`, {
          advice: 'Try later, or give the keyring a longer timeout',
        }),
      )
    timer = setTimeout(giveUp, timeoutMs).unref()
  })
  try {
    return await Promise.race([result, late])
  } finally {
    clearTimeout(timer)
  }
}
