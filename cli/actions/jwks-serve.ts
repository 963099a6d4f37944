import {
  isDiscoverable,
  type JwksPublisher,
  type JwksServer,
  openJwksPublisher,
  startJwksServer,
} from '../../src/index.ts'
import { parseAddress } from '../address.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { JsonLog } from '../json-log.ts'
import { withBackend } from '../session.ts'

const DEFAULT_ADDRESS = '127.0.0.1:8080'

/** Serves until it is told to stop. Everything that happens meanwhile is a line of JSON on stdout. */
export const serveJwks: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const address = parseAddress(args.text('listen') ?? DEFAULT_ADDRESS)
  const settings = resolveSettings(args, context.io, environment)
  const issuer = await discoverableIssuer(context, args, settings)
  const log = new JsonLog(context.io.stdout, context.io.now)
  const stop = AbortSignal.any([context.io.stopSignal(), context.signal])
  await withBackend(context, settings, 'records', async (backend) => {
    const refreshInterval = args.text('refresh-interval')
    await using publisher = await openJwksPublisher({
      environment,
      backend,
      clock: { now: context.io.now, monotonic: () => performance.now() },
      onWarning: ({ message }) => log.write('warning', { message }),
      ...(refreshInterval === undefined ? {} : { refreshInterval }),
    })
    const server = await startJwksServer({
      publisher,
      ...address,
      ...(issuer === undefined ? {} : { issuer }),
      ...(args.text('access-log') === 'off' ? {} : { onRequest: (request) => log.write('request', request) }),
    })
    await context.note(
      `Serving the public keys of ${environment} at ${server.url}. Ctrl-C or SIGTERM stops it.`,
    )
    log.write('listening', { environment, url: server.url, paths: pathsOf(publisher, issuer) })
    await log.flush()
    await untilTold(stop, server, log)
  })
  log.write('stopped', {})
  await log.flush()
  return undefined
}

/** The issuer of tokens may well be none that can be discovered: that is worth a word only where it was asked for. */
async function discoverableIssuer(
  context: Context,
  args: Arguments,
  { issuer }: Settings,
): Promise<string | undefined> {
  if (issuer === undefined || isDiscoverable(issuer)) return issuer
  if (args.text('issuer') !== undefined) {
    await context.warn(
      `the issuer ${issuer} is no https URL, so there is no /.well-known/openid-configuration.`,
    )
  }
  return undefined
}

function pathsOf(publisher: JwksPublisher, issuer: string | undefined): readonly string[] {
  const named = publisher.status().keys.filter(({ name }) => publisher.find(name).status === 'served')
  return [
    ...(publisher.find().status === 'served' ? ['/.well-known/jwks.json'] : []),
    ...(issuer === undefined ? [] : ['/.well-known/openid-configuration']),
    ...named.map(({ name }) => `/keys/${name}/jwks.json`),
  ]
}

async function untilTold(stop: AbortSignal, server: JwksServer, log: JsonLog): Promise<void> {
  if (!stop.aborted) {
    await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
  }
  log.write('stopping', {})
  await server.stop()
}
