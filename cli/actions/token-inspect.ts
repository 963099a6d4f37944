import { inspectToken as inspect } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { readToken } from '../input.ts'
import { printableJson } from '../render.ts'

export const inspectToken: Action = async (context, args) => {
  const { form, header, claims, payloadBytes, sensitive, notice } = inspect(await readToken(context, args))
  await context.warn(notice)
  const payload = claims ? printableJson(claims, 2) : `${payloadBytes} bytes, not JSON`
  await context.succeed({
    json: {
      verified: false,
      form,
      header,
      ...(claims ? { claims } : {}),
      payloadBytes,
      sensitive,
      notice,
    },
    text: () =>
      [
        context.paint('bold', 'HEADER'),
        printableJson(header, 2),
        ...(form === 'signed'
          ? [context.paint('bold', 'PAYLOAD'), payload]
          : [context.paint('bold', 'CIPHERTEXT'), `${payloadBytes} bytes`]),
      ].join('\n'),
  })
  for (const { claim, reason } of sensitive) {
    await context.warn(
      `the claim ${JSON.stringify(claim)} should not be here: ${reason}. Anyone can read it.`,
    )
  }
  return undefined
}
